#include "textflag.h"

// func markVectors(marked *uint64, b *byte, size int) (wide, control bool)
//
// size is at least 64. The last block, where it is not whole, is read from the last 64 bytes.
TEXT ·markVectors(SB), NOSPLIT, $0-26
	MOVQ marked+0(FP), DI
	MOVQ b+8(FP), SI
	MOVQ size+16(FP), CX
	MOVQ $0x2222222222222222, AX // quotes
	VMOVQ AX, X8
	VPBROADCASTQ X8, Y8
	MOVQ $0x5c5c5c5c5c5c5c5c, AX // backslashes
	VMOVQ AX, X9
	VPBROADCASTQ X9, Y9
	MOVQ $0x1f1f1f1f1f1f1f1f, AX // the last control character
	VMOVQ AX, X10
	VPBROADCASTQ X10, Y10
	VPXOR Y6, Y6, Y6    // all bytes, or
	VPCMPEQB Y7, Y7, Y7 // the least bytes

block:
	XORQ BX, BX // bits to shift out
	CMPQ CX, $64
	JGE  load
	LEAQ -64(SI)(CX*1), SI
	MOVQ $64, BX
	SUBQ CX, BX
	MOVQ $64, CX

load:
	VMOVDQU (SI), Y0
	VMOVDQU 32(SI), Y1
	VPOR Y0, Y6, Y6
	VPOR Y1, Y6, Y6
	VPMINUB Y0, Y7, Y7
	VPMINUB Y1, Y7, Y7
	VPCMPEQB Y0, Y8, Y2
	VPCMPEQB Y1, Y8, Y3
	VPCMPEQB Y0, Y9, Y4
	VPCMPEQB Y1, Y9, Y5
	VPOR Y2, Y4, Y2
	VPOR Y3, Y5, Y3
	VPMOVMSKB Y2, AX
	VPMOVMSKB Y3, DX
	SHLQ $32, DX
	ORQ  DX, AX
	XCHGQ BX, CX
	SHRQ CX, AX
	XCHGQ BX, CX
	MOVQ AX, (DI)
	ADDQ $8, DI
	ADDQ $64, SI
	SUBQ $64, CX
	JNZ  block

	VPMOVMSKB Y6, AX
	TESTL AX, AX
	SETNE wide+24(FP)
	VPMINUB Y10, Y7, Y10
	VPCMPEQB Y10, Y7, Y10
	VPMOVMSKB Y10, AX
	TESTL AX, AX
	SETNE control+25(FP)
	VZEROUPPER
	RET
