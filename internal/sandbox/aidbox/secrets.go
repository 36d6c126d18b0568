package aidbox

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/secretctl/secretctl/internal/sandbox/loopback"
)

// secretFiles resolves the names of secrets by a vault config. It caches what it
// reads, and looks after a while whether the file is another.
type secretFiles struct {
	root, configPath string
	ttl              time.Duration

	config     vaultConfig
	configInfo fs.FileInfo // of the file that config was read from; nil: of none yet
	files      map[string]*secretFile
}

// secretFile is the cached content of a file.
type secretFile struct {
	content string
	info    fs.FileInfo
	checked time.Time
}

// vaultConfig says where each secret is and who may use it.
type vaultConfig struct {
	Secret map[string]struct {
		Path  string `json:"path"`
		Scope scope  `json:"scope"`
	} `json:"secret"`
}

// scope is who may use a secret, in either dialect: a list of "Type/id" or
// "Type", or one object.
type scope struct {
	references []string
	object     bool
}

var errScope = errors.New("scope is neither a list of references nor an object with resource_type")

func (s *scope) UnmarshalJSON(data []byte) error {
	if json.Unmarshal(data, &s.references) == nil && s.references != nil {
		return nil
	}
	var one struct {
		ResourceType string `json:"resource_type"`
		ID           string `json:"id"`
	}
	if json.Unmarshal(data, &one) != nil || one.ResourceType == "" {
		return errScope
	}
	s.object, s.references = true, []string{one.ResourceType}
	if one.ID != "" {
		s.references = []string{one.ResourceType + "/" + one.ID}
	}
	return nil
}

func openSecretFiles(o Options) *secretFiles {
	s := &secretFiles{root: o.Root, configPath: o.VaultConfig, ttl: o.CacheTTL, files: map[string]*secretFile{}}
	s.load()
	return s
}

// load reads the vault config where it is another file than before. A config in
// the object dialect is read once; there is none as long as it cannot be read or
// mixes the dialects.
func (s *secretFiles) load() {
	if s.configPath == "" || (s.configInfo != nil && s.config.has(true)) {
		return
	}
	path := loopback.Below(s.root, s.configPath)
	info, err := os.Stat(path)
	if err == nil && sameFile(info, s.configInfo) {
		return
	}
	s.config, s.configInfo = vaultConfig{}, nil
	var config vaultConfig
	content, err := os.ReadFile(path)
	if err != nil || json.Unmarshal(content, &config) != nil || config.has(true) && config.has(false) {
		return
	}
	s.config, s.configInfo = config, info
}

// has says whether any scope is in the object dialect, or in the other one.
func (c vaultConfig) has(objectDialect bool) bool {
	for _, entry := range c.Secret {
		if entry.Scope.object == objectDialect {
			return true
		}
	}
	return false
}

// value returns what a resource may authenticate with: the content of the secret's
// file. It is "" where the name is unknown, the resource is out of scope, or the
// file cannot be read.
func (s *secretFiles) value(name, kind, id string) string {
	s.load()
	entry, known := s.config.Secret[name]
	allowed := slices.Contains(entry.Scope.references, kind) || slices.Contains(entry.Scope.references, kind+"/"+id)
	if !known || !allowed || !filepath.IsAbs(entry.Path) {
		return ""
	}
	return s.read(loopback.Below(s.root, entry.Path))
}

// read returns a file's content: the cached one until the time to live has
// passed, and then for as long as the file is the same.
func (s *secretFiles) read(path string) string {
	file := s.files[path]
	if file != nil && time.Since(file.checked) < s.ttl {
		return file.content
	}
	info, err := twice(os.Stat, path)
	if err == nil && (file == nil || !sameFile(info, file.info)) {
		var content []byte
		content, err = twice(os.ReadFile, path)
		file = &secretFile{content: string(content), info: info}
	}
	if err != nil {
		return ""
	}
	file.checked = time.Now()
	s.files[path] = file
	return file.content
}

// twice tries again where a file is not there: a swap removes the folder that a
// path may just have been followed to.
func twice[T any](read func(path string) (T, error), path string) (T, error) {
	got, err := read(path)
	if errors.Is(err, fs.ErrNotExist) {
		return read(path)
	}
	return got, err
}

// sameFile says whether a file was neither replaced nor written to.
func sameFile(now, before fs.FileInfo) bool {
	return before != nil && os.SameFile(now, before) && now.ModTime().Equal(before.ModTime()) && now.Size() == before.Size()
}
