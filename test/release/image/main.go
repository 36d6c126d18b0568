// Command image writes the container image of secretctl as an OCI layout: the
// binaries of a build and the certificates that TLS needs, for each platform, on an
// empty base. The same binaries give the same bytes, without a container engine
// or network. It runs as Aidbox's user, because it reads that user's files.
package main

import (
	"archive/tar"
	"bytes"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"os"
	"time"

	"github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"golang.org/x/crypto/x509roots/fallback/bundle"
)

const (
	binaryPath = "usr/bin/secretctl"
	rootsPath  = "etc/ssl/certs/ca-certificates.crt"
)

func main() {
	log.SetFlags(0)
	if len(os.Args) != 7 {
		log.Fatal("usage: image VERSION COMMIT DATE AMD64-BINARY ARM64-BINARY FOLDER")
	}
	if err := write(os.Args[1], os.Args[2], os.Args[3], map[string]string{"amd64": os.Args[4], "arm64": os.Args[5]}, os.Args[6]); err != nil {
		log.Fatal(err)
	}
}

func write(version, commit, date string, binaries map[string]string, dir string) error {
	created, err := time.Parse(time.RFC3339, date)
	if err != nil {
		return err
	}
	labels := map[string]string{
		"org.opencontainers.image.title":    "secretctl",
		"org.opencontainers.image.version":  version,
		"org.opencontainers.image.revision": commit,
		"org.opencontainers.image.source":   "https://github.com/secretctl/secretctl",
		"org.opencontainers.image.licenses": "Apache-2.0",
	}
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, arch := range []string{"amd64", "arm64"} {
		image, err := build(binaries[arch], v1.ConfigFile{
			OS: "linux", Architecture: arch, Created: v1.Time{Time: created},
			Config: v1.Config{User: "1000:1000", Entrypoint: []string{"/" + binaryPath}, Labels: labels},
		})
		if err != nil {
			return err
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{
			Add: image, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: arch}},
		})
	}
	index = mutate.Annotations(index, labels).(v1.ImageIndex)
	to, err := layout.Write(dir, empty.Index)
	if err != nil {
		return err
	}
	return to.AppendIndex(index, layout.WithAnnotations(map[string]string{"org.opencontainers.image.ref.name": version}))
}

func build(binary string, config v1.ConfigFile) (v1.Image, error) {
	content, err := os.ReadFile(binary)
	if err != nil {
		return nil, err
	}
	image, err := mutate.ConfigFile(mutate.MediaType(empty.Image, types.OCIManifestSchema1), &config)
	if err != nil {
		return nil, err
	}
	image = mutate.ConfigMediaType(image, types.OCIConfigJSON)
	for _, file := range []struct {
		path    string
		content []byte
		mode    int64
	}{{rootsPath, roots(), 0o644}, {binaryPath, content, 0o755}} {
		layer, err := one(file.path, file.content, file.mode)
		if err != nil {
			return nil, err
		}
		image, err = mutate.Append(image, mutate.Addendum{Layer: layer, History: v1.History{CreatedBy: file.path, Created: config.Created}})
		if err != nil {
			return nil, err
		}
	}
	return image, nil
}

// one returns a layer with one file.
func one(path string, content []byte, mode int64) (v1.Layer, error) {
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	if err := w.WriteHeader(&tar.Header{Name: path, Size: int64(len(content)), Mode: mode, ModTime: time.Unix(0, 0)}); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if _, err := w.Write(content); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return tarball.LayerFromOpener(func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(archive.Bytes())), nil
	}, tarball.WithMediaType(types.OCILayer), tarball.WithCompressedCaching)
}

// roots returns the certificates that Mozilla trusts without reservation.
func roots() []byte {
	var out bytes.Buffer
	for root := range bundle.Roots() {
		if root.Constraint == nil {
			_ = pem.Encode(&out, &pem.Block{Type: "CERTIFICATE", Bytes: root.Certificate}) // a Buffer never fails
		}
	}
	return out.Bytes()
}
