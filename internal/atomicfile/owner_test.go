//go:build unix

package atomicfile

import (
	"os"
	"testing"
)

func TestTheOwnerOfAFileIsKnown(t *testing.T) {
	info, err := os.Stat(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if user := os.Geteuid(); !belongsTo(user, info) || belongsTo(user+1, info) {
		t.Errorf("%+v is of %d", info.Sys(), user)
	}
}
