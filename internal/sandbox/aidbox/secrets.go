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

// secretFile is the cached content of a file, and what it was before.
type secretFile struct {
	content string
	former  []string
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
	if s.configPath == "" || (s.configInfo != nil && s.config.objectDialect()) {
		return
	}
	path := loopback.Below(s.root, s.configPath)
	info, err := os.Stat(path)
	if err != nil {
		s.config, s.configInfo = vaultConfig{}, nil
		return
	}
	if sameFile(info, s.configInfo) {
		return
	}
	var config vaultConfig
	content, err := os.ReadFile(path)
	if err != nil || json.Unmarshal(content, &config) != nil || config.mixed() {
		s.config, s.configInfo = vaultConfig{}, nil
		return
	}
	s.config, s.configInfo = config, info
}

func (c vaultConfig) objectDialect() bool {
	for _, entry := range c.Secret {
		return entry.Scope.object
	}
	return false
}

func (c vaultConfig) mixed() bool {
	dialect := c.objectDialect()
	for _, entry := range c.Secret {
		if entry.Scope.object != dialect {
			return true
		}
	}
	return false
}

// values returns what a resource may authenticate with: the content of the
// secret's file, and with a fault what that was before. It returns nothing where
// the name is unknown, the resource is out of scope, or the file cannot be read.
func (s *secretFiles) values(name, kind, id string, faults Faults) []string {
	s.load()
	entry, known := s.config.Secret[name]
	allowed := faults.IgnoreScope || slices.Contains(entry.Scope.references, kind) || slices.Contains(entry.Scope.references, kind+"/"+id)
	if !known || !allowed || !filepath.IsAbs(entry.Path) {
		return nil
	}
	file := s.read(loopback.Below(s.root, entry.Path), faults.IgnoreRotation)
	switch {
	case file == nil:
		return nil
	case faults.AcceptOld:
		return append([]string{file.content}, file.former...)
	}
	return []string{file.content}
}

// read returns a file's content: the cached one until the time to live has
// passed, and then for as long as the file is the same.
func (s *secretFiles) read(path string, keep bool) *secretFile {
	file := s.files[path]
	if file != nil && (keep || time.Since(file.checked) < s.ttl) {
		return file
	}
	info, err := twice(os.Stat, path)
	if err != nil {
		return nil
	}
	if file == nil {
		file = &secretFile{}
	}
	if !sameFile(info, file.info) {
		content, err := twice(os.ReadFile, path)
		if err != nil {
			return nil
		}
		if file.info != nil && file.content != string(content) {
			file.former = append(file.former, file.content)
		}
		file.content, file.info = string(content), info
		s.files[path] = file
	}
	file.checked = time.Now()
	return file
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
