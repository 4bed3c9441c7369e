//go:build unix

package atomicfile

import (
	"os"
	"syscall"
)

// keepOwner gives f the owner and the group of another file, where they differ from ours.
func keepOwner(f *os.File, of os.FileInfo) error {
	own, ok := of.Sys().(*syscall.Stat_t)
	if !ok || int(own.Uid) == os.Geteuid() && int(own.Gid) == os.Getegid() {
		return nil
	}
	return f.Chown(int(own.Uid), int(own.Gid))
}
