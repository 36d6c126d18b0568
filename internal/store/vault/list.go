package vault

import (
	"context"
	"strings"
)

// worthListing is a number of paths: below it, reading them costs about as much
// as listing their folder.
const worthListing = 10

// neverWritten adds to found those of the paths below folder ("" or "a/b/") that
// nothing was ever written to, as far as a few requests tell: it lists folders
// that hold many of them. The others have to be read. Without the right to list
// these are all of them.
func (v *Store) neverWritten(ctx context.Context, folder string, paths []string, found map[string]bool) {
	children := map[string][]string{}
	for _, p := range paths {
		name, _, isFolder := strings.Cut(strings.TrimPrefix(p, folder), "/")
		if isFolder {
			name += "/"
		}
		children[name] = append(children[name], p)
	}
	isThere := func(string) bool { return true }
	if len(children) >= worthListing {
		isThere = v.listed(ctx, folder)
	}
	for name, below := range children {
		switch {
		case !isThere(name):
			for _, p := range below {
				found[p] = true
			}
		case strings.HasSuffix(name, "/") && len(below) >= worthListing:
			v.neverWritten(ctx, folder+name, below, found)
		}
	}
}

// listed says of a name whether the folder has it. Where the folder cannot be
// listed, it may have every name.
func (v *Store) listed(ctx context.Context, folder string) func(name string) bool {
	names, err := v.list(ctx, v.d.Vault.KVMount+"/metadata/"+folder)
	has := map[string]bool{}
	for _, name := range names {
		has[name] = true
	}
	return func(name string) bool { return err != nil || has[name] }
}
