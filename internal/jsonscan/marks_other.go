//go:build !amd64

package jsonscan

// markBlocks marks the quotes and backslashes of b, which has 64 to 64*maxBlocks bytes.
func markBlocks(marked *[maxBlocks + 1]uint64, b []byte) (wide, control bool) {
	return markWords(marked, b)
}
