package alerting

import (
	"syscall"
	"unsafe"
)

// huge asks the kernel for huge pages under a long slice: where they are given to programs that ask
// (/sys/kernel/mm/transparent_hugepage/enabled), or to all, the processor finds the address of any
// of a million groups without a look at tables in memory. Nothing but time depends on it, so that a
// kernel without them is as good.
func huge[T any](s []T) {
	from := unsafe.Pointer(unsafe.SliceData(s))      // #nosec G103 -- an address for the kernel
	size := uintptr(cap(s)) * unsafe.Sizeof(*new(T)) // #nosec G103 -- the bytes of the slice
	page := uintptr(syscall.Getpagesize())
	before := -uintptr(from) & (page - 1) // the first whole page begins after these
	if size < before+page {
		return
	}
	// #nosec G103 -- whole pages within the slice, of which nothing is read or written
	pages := unsafe.Slice((*byte)(unsafe.Add(from, before)), (size-before)&^(page-1))
	_ = syscall.Madvise(pages, syscall.MADV_HUGEPAGE)
}
