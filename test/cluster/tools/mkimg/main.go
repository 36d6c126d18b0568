// Command mkimg writes an image of one layer as an OCI archive, for a machine
// without a registry.
//
//	mkimg -o FILE -name NAME [flags] [PATH=SOURCE | LINK->TARGET | FOLDER/]...
//
// PATH=SOURCE copies a file or a folder from this machine; the folders above a
// path come by themselves.
package main

import (
	"crypto/sha256"
	"encoding/json"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"strings"
)

// config is what an image says of its process.
type config struct {
	Env        []string
	Entrypoint []string
	Cmd        []string
	User       string
	WorkingDir string
}

func main() {
	var c config
	out := flag.String("o", "image.tar", "the archive to write")
	name := flag.String("name", "", "the image's full name, with registry and tag")
	list := func(s *[]string) func(string) error {
		return func(text string) error {
			*s = strings.FieldsFunc(text, func(r rune) bool { return r == ',' })
			return nil
		}
	}
	c.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
	flag.Func("entrypoint", "its words, with commas between them", list(&c.Entrypoint))
	flag.Func("cmd", "its words, with commas between them", list(&c.Cmd))
	flag.Func("env", "NAME=VALUE,... in place of the usual PATH", list(&c.Env))
	flag.StringVar(&c.User, "user", "", "user, root by default")
	flag.StringVar(&c.WorkingDir, "workdir", "/", "working folder")
	flag.Parse()
	if err := run(*out, *name, c, flag.Args()); err != nil {
		slog.Error("mkimg", "error", err)
		os.Exit(1)
	}
}

func run(out, name string, c config, contents []string) error {
	layer, err := pack(contents)
	if err != nil {
		return err
	}
	image := newArchive()
	if err := image.image(name, c, layer); err != nil {
		return err
	}
	b, err := image.bytes()
	if err != nil {
		return err
	}
	return os.WriteFile(out, b, 0o600)
}

// pack makes the layer.
func pack(contents []string) ([]byte, error) {
	layer := newArchive()
	for _, item := range contents {
		var err error
		if link, target, found := strings.Cut(item, "->"); found {
			err = layer.link(link, target)
		} else if path, source, found := strings.Cut(item, "="); found {
			err = layer.copy(path, source)
		} else {
			err = layer.folder(item)
		}
		if err != nil {
			return nil, err
		}
	}
	return layer.bytes()
}

// descriptor is how the parts of an image refer to each other.
type descriptor struct {
	MediaType   string            `json:"mediaType"`
	Digest      string            `json:"digest"`
	Size        int               `json:"size"`
	Annotations map[string]string `json:"annotations,omitempty"`
}

// image writes the parts of an image with one layer.
func (a *archive) image(name string, c config, layer []byte) error {
	l, err := a.blob("layer.v1.tar", layer)
	if err != nil {
		return err
	}
	cfg, err := a.blobOf("config.v1+json", map[string]any{
		"architecture": runtime.GOARCH, "os": "linux", "config": c,
		"rootfs": map[string]any{"type": "layers", "diff_ids": []string{l.Digest}},
	})
	if err != nil {
		return err
	}
	manifest, err := a.blobOf("manifest.v1+json", map[string]any{
		"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
		"config": cfg, "layers": []descriptor{l},
	})
	if err != nil {
		return err
	}
	manifest.Annotations = map[string]string{"io.containerd.image.name": name}
	index, err := json.Marshal(map[string]any{"schemaVersion": 2, "manifests": []descriptor{manifest}})
	if err != nil {
		return err
	}
	if err := a.file("index.json", 0o644, index); err != nil {
		return err
	}
	return a.file("oci-layout", 0o644, []byte(`{"imageLayoutVersion":"1.0.0"}`))
}

func (a *archive) blobOf(kind string, v any) (descriptor, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return descriptor{}, err
	}
	return a.blob(kind, b)
}

func (a *archive) blob(kind string, b []byte) (descriptor, error) {
	digest := fmt.Sprintf("%x", sha256.Sum256(b))
	d := descriptor{MediaType: "application/vnd.oci.image." + kind, Digest: "sha256:" + digest, Size: len(b)}
	return d, a.file("blobs/sha256/"+digest, 0o644, b)
}
