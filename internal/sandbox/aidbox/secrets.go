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

// secretFiles resolves the names of secrets by a vault config, and caches the content of
// their files.
type secretFiles struct {
	root, configPath string
	ttl              time.Duration

	config vaultConfig
	files  map[string]secretFile
}

// secretFile is the content of a file when it was last read.
type secretFile struct {
	content string
	read    time.Time
}

// vaultConfig says where the file of each secret is, and who may use it.
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

func (s *scope) UnmarshalJSON(data []byte) error {
	if json.Unmarshal(data, &s.references) == nil && s.references != nil {
		return nil
	}
	var one struct {
		ResourceType string `json:"resource_type"`
		ID           string `json:"id"`
	}
	if json.Unmarshal(data, &one) != nil || one.ResourceType == "" {
		return errors.New("scope is neither a list of references nor an object with resource_type")
	}
	s.object, s.references = true, []string{one.ResourceType}
	if one.ID != "" {
		s.references = []string{one.ResourceType + "/" + one.ID}
	}
	return nil
}

func openSecretFiles(o Options) *secretFiles {
	s := &secretFiles{root: o.Root, configPath: o.VaultConfig, ttl: o.CacheTTL, files: map[string]secretFile{}}
	s.load()
	return s
}

// load reads the vault config, which Aidbox reads only once if it is in the object dialect.
// One that cannot be read has no secrets.
func (s *secretFiles) load() {
	for _, entry := range s.config.Secret {
		if entry.Scope.object {
			return
		}
	}
	s.config = vaultConfig{}
	content, err := os.ReadFile(loopback.Below(s.root, s.configPath))
	if err != nil || json.Unmarshal(content, &s.config) != nil {
		s.config = vaultConfig{}
	}
}

// value returns the content of a secret's file. It is "" if the name is unknown, the
// resource is out of scope, or the file cannot be read.
func (s *secretFiles) value(name, kind, id string) string {
	s.load()
	entry, known := s.config.Secret[name]
	allowed := slices.Contains(entry.Scope.references, kind) || slices.Contains(entry.Scope.references, kind+"/"+id)
	if !known || !allowed || !filepath.IsAbs(entry.Path) {
		return ""
	}
	path := loopback.Below(s.root, entry.Path)
	if file, cached := s.files[path]; cached && time.Since(file.read) < s.ttl {
		return file.content
	}
	content, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) { // a swap may just have removed the folder that the path led to
		content, err = os.ReadFile(path)
	}
	if err != nil {
		return ""
	}
	s.files[path] = secretFile{string(content), time.Now()}
	return string(content)
}
