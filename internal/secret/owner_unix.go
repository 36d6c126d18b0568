//go:build unix

package secret

import (
	"io/fs"
	"syscall"
)

// FileOwner returns the ID of a file's owner, if it is known.
func FileOwner(info fs.FileInfo) (uid int, ok bool) {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, false
	}
	return int(stat.Uid), true
}
