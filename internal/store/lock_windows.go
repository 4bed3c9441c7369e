package store

import (
	"os"
	"syscall"
)

// lockFile opens a file that no other process can open until unlock is called or the process ends,
// however it ends.
func lockFile(name string) (unlock func() error, err error) {
	path, err := syscall.UTF16PtrFromString(name)
	if err != nil {
		return nil, &os.PathError{Op: "lock", Path: name, Err: err}
	}
	const shareNothing, sharingViolation = 0, syscall.Errno(32)
	handle, err := syscall.CreateFile(path, syscall.GENERIC_WRITE, shareNothing, nil,
		syscall.OPEN_ALWAYS, syscall.FILE_ATTRIBUTE_NORMAL, 0)
	if err == sharingViolation {
		return nil, errLocked
	}
	if err != nil {
		return nil, &os.PathError{Op: "lock", Path: name, Err: err}
	}
	return func() error { return syscall.CloseHandle(handle) }, nil
}
