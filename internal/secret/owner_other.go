//go:build !unix

package secret

import "io/fs"

// owner does not know what belongs to whom where rights are lists.
func owner(fs.FileInfo) (uid int, ok bool) { return 0, false }
