package jsonscan

import "golang.org/x/sys/cpu"

//go:noescape
func markVectors(marked *uint64, b *byte, size int) (wide, control bool)

// markBlocks marks the quotes and backslashes of b, which has 64 to 64*maxBlocks bytes.
func markBlocks(marked *[maxBlocks + 1]uint64, b []byte) (wide, control bool) {
	if cpu.X86.HasAVX2 {
		return markVectors(&marked[0], &b[0], len(b))
	}
	return markWords(marked, b)
}
