//go:build cuda

package kernels_test

import (
	"maps"
	"testing"
)

// Lines as cuobjdump prints them, an instruction a trap: a predicate, filler that never runs, the second half of an
// encoding, a 128 that is no suffix of its own.
const sassLines = `
	code for sm_80
		Function : k
	.headerflags	@"EF_CUDA_SM80"
        /*0000*/              @!P0 LDG.E.128.CONSTANT R4, [R2] ;      /* 0x00000a00ff017624 */
                                                                      /* 0x000fe400078e00ff */
        /*0010*/                   LDG.E.U8 R4, [R2] ;                /* 0x0 */
        /*0020*/              @!PT LDG.E.128 RZ, [RZ] ;               /* 0x0 */
        /*0030*/              @UP1 STG.E.128 [R2], R4 ;               /* 0x0 */
        /*0040*/                   HMMA.1688.F32.TF32 R4, R4, R6, R8 ; /* 0x0 */
        /*0050*/                   IMMA.16832.S8.S8 R4, R4, R6, R8 ;  /* 0x0 */
        /*0060*/                   LDGSTS.E.BYPASS.LTC128B.128 [R1], [R2.64] ; /* 0x0 */
        /*0070*/                   LDSM.16.M88.4 R4, [R1] ;           /* 0x0 */
        /*0080*/                   STL [R1], R2 ;                     /* 0x0 */
	code for sm_120
		Function : k
        /*0000*/                   EXIT ;                             /* 0x0 */
`

const usageLines = `
arch = sm_80
Resource usage:
 Common:
  GLOBAL:0
 Function k:
  REG:29 STACK:8 SHARED:64 LOCAL:0 CONSTANT[0]:428 TEXTURE:0 SURFACE:0 SAMPLER:0
arch = sm_120
 Function k:
  REG:40 STACK:0 SHARED:1088 LOCAL:0 CONSTANT[0]:428 TEXTURE:0 SURFACE:0 SAMPLER:0
`

func TestSASSParser(t *testing.T) {
	k := map[string]map[string]*machineCode{}
	parseSASS(k, []byte(sassLines))
	parseUsage(k, []byte(usageLines))
	want := map[string]int{"ldg128": 1, "ldg_narrow": 1, "stg128": 1, "mma": 2, "cp_async": 1, "ldmatrix": 1}
	if c := k["k"]["sm_80"]; !maps.Equal(c.count, want) || c.registers != 29 || c.stack != 8 || c.shared != 64 || c.local != 1 {
		t.Errorf("sm_80: %+v", c)
	}
	if c := k["k"]["sm_120"]; len(c.count) != 0 || c.registers != 40 || c.stack != 0 || c.shared != 1088 || c.local != 0 {
		t.Errorf("sm_120: %+v", c)
	}
}
