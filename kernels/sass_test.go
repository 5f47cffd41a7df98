//go:build cuda

package kernels_test

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

var updateBudget = flag.Bool("update-sass", false, "write kernels/sass_budget.json anew from the fatbins")

const budgetFile = "sass_budget.json"

// sassArchs are the architectures that the fatbins have machine code for; every list of a budget is in this order.
var sassArchs = []string{"sm_80", "sm_86", "sm_89", "sm_90", "sm_100", "sm_120"}

// machineCode is what ptxas made of a kernel for one architecture.
type machineCode struct {
	registers, shared int // shared: static, bytes, what the driver reserves included
	stack, local      int // bytes of local memory, and instructions that use it: both must be 0
	count             map[string]int
}

// limits are a kernel's counts by architecture. More registers, shared memory or narrow accesses than in the budget are
// worse, and so are fewer of the other instructions. A list that is all zero is left out.
type limits struct {
	Registers []int `json:"registers"`
	Shared    []int `json:"shared,omitempty"`
	MMA       []int `json:"mma,omitempty"`      // tensor core instructions
	LDSM      []int `json:"ldmatrix,omitempty"` // matrix loads from shared memory
	LDGSTS    []int `json:"cp_async,omitempty"`
	LDG128    []int `json:"ldg128,omitempty"` // 16-byte loads and stores of global memory
	STG128    []int `json:"stg128,omitempty"`
	LDGNarrow []int `json:"ldg_narrow,omitempty"` // narrower ones
	STGNarrow []int `json:"stg_narrow,omitempty"`
}

// fields lists the counts of l by their names in the budget, and whether more of them is worse.
func (l *limits) fields() []limit {
	return []limit{
		{"registers", &l.Registers, true}, {"shared", &l.Shared, true}, {"mma", &l.MMA, false}, {"ldmatrix", &l.LDSM, false}, {"cp_async", &l.LDGSTS, false},
		{"ldg128", &l.LDG128, false}, {"stg128", &l.STG128, false}, {"ldg_narrow", &l.LDGNarrow, true}, {"stg_narrow", &l.STGNarrow, true},
	}
}

type limit struct {
	name      string
	list      *[]int
	moreWorse bool
}

func limitsOf(byArch map[string]*machineCode) limits {
	var l limits
	for _, f := range l.fields() {
		for _, arch := range sassArchs {
			c := byArch[arch]
			n := c.count[f.name]
			switch f.name {
			case "registers":
				n = c.registers
			case "shared":
				n = c.shared
			}
			*f.list = append(*f.list, n)
		}
		if slices.Max(*f.list) == 0 {
			*f.list = nil
		}
	}
	return l
}

// TestSASS holds the machine code of every kernel to the budget.
func TestSASS(t *testing.T) {
	for _, tool := range []string{"cuobjdump", "nvdisasm"} {
		if _, err := exec.LookPath(tool); err != nil {
			if os.Getenv("CI") == "true" {
				t.Fatal(err)
			}
			t.Skipf("needs %s in PATH: make test-sim puts it there", tool)
		}
	}
	kernels := disassemble(t)
	measured := map[string]limits{}
	for name, byArch := range kernels {
		if missing := slices.DeleteFunc(slices.Clone(sassArchs), func(a string) bool { return byArch[a] != nil }); len(missing) > 0 {
			t.Fatalf("%s has no machine code for %v: say make kernels", name, missing)
		}
		for _, arch := range sassArchs {
			if c := byArch[arch]; c.stack != 0 || c.local != 0 {
				t.Errorf("%s, %s: %d bytes of local memory, %d instructions that use it; want none", name, arch, c.stack, c.local)
			}
		}
		measured[name] = limitsOf(byArch)
	}
	if *updateBudget {
		writeBudget(t, measured)
		return
	}
	budget := readBudget(t)
	for _, name := range slices.Sorted(maps.Keys(measured)) {
		if allowed, ok := budget[name]; ok {
			compare(t, name, measured[name], allowed)
		} else {
			t.Errorf("%s has no budget in %s: make sass-budget writes it", name, budgetFile)
		}
	}
	for name := range budget {
		if _, ok := measured[name]; !ok {
			t.Errorf("%s is in %s and in no fatbin", name, budgetFile)
		}
	}
}

func compare(t *testing.T, name string, got, allowed limits) {
	want := allowed.fields()
	for i, f := range got.fields() {
		for j, arch := range sassArchs {
			g, w := at(*f.list, j), at(*want[i].list, j)
			if f.moreWorse && g > w || !f.moreWorse && g < w {
				t.Errorf("%s, %s: %s %d, the budget is %d", name, arch, f.name, g, w)
			}
		}
	}
}

// at is list[i], 0 for a list that was left out.
func at(list []int, i int) int {
	if list == nil {
		return 0
	}
	return list[i]
}

func readBudget(t *testing.T) map[string]limits {
	t.Helper()
	data, err := os.ReadFile(budgetFile)
	if err != nil {
		t.Fatal(err)
	}
	budget := map[string]limits{}
	if err := json.Unmarshal(data, &budget); err != nil {
		t.Fatalf("%s: %v", budgetFile, err)
	}
	for name, l := range budget {
		for _, f := range l.fields() {
			if n := len(*f.list); n != 0 && n != len(sassArchs) {
				t.Fatalf("%s: %s: %d numbers, want %d", name, f.name, n, len(sassArchs))
			}
		}
	}
	return budget
}

// writeBudget writes a line a kernel.
func writeBudget(t *testing.T, budget map[string]limits) {
	t.Helper()
	var lines []string
	for _, name := range slices.Sorted(maps.Keys(budget)) {
		line, err := json.Marshal(budget[name])
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, fmt.Sprintf("%q: %s", name, line))
	}
	if err := os.WriteFile(budgetFile, []byte("{\n"+strings.Join(lines, ",\n")+"\n}\n"), 0o666); err != nil {
		t.Fatal(err)
	}
}

// disassemble runs cuobjdump on every fatbin. The result is by kernel and architecture.
func disassemble(t *testing.T) map[string]map[string]*machineCode {
	files, err := filepath.Glob("fatbin/*.fatbin")
	if err != nil || len(files) == 0 {
		t.Fatal("no fatbins: say make kernels")
	}
	all := make([]map[string]map[string]*machineCode, len(files))
	var wait sync.WaitGroup
	for i, file := range files {
		wait.Go(func() {
			k := map[string]map[string]*machineCode{}
			parseSASS(k, dump(t, "-sass", file))
			parseUsage(k, dump(t, "--dump-resource-usage", file))
			if ptx := dump(t, "-lptx", file); !bytes.Contains(ptx, []byte("sm_80.ptx")) {
				t.Errorf("%s has no PTX for compute_80", file)
			}
			all[i] = k
		})
	}
	wait.Wait()
	merged := map[string]map[string]*machineCode{}
	for i, k := range all {
		for name, byArch := range k {
			if merged[name] != nil {
				t.Errorf("%s: kernel %s is in another fatbin too", files[i], name)
			}
			merged[name] = byArch
		}
	}
	return merged
}

func dump(t *testing.T, flag, file string) []byte {
	out, err := exec.Command("cuobjdump", flag, file).Output()
	if err != nil {
		t.Errorf("cuobjdump %s %s: %v", flag, file, err)
	}
	return out
}

var (
	archLine     = regexp.MustCompile(`^\s*(?:arch = |code for )(sm_\w+)`)
	functionLine = regexp.MustCompile(`^\s*Function : (\S+)`)
	// An instruction: its address, its predicate, its name with suffixes. The other half of its encoding has no name.
	instruction = regexp.MustCompile(`^\s*/\*[0-9a-f]{4,}\*/\s+(?:@(!?U?P\w+)\s+)?([A-Z][\w.]*)`)
	usageName   = regexp.MustCompile(`^\s*Function (\S+):`)
	usage       = regexp.MustCompile(`REG:(\d+) STACK:(\d+) SHARED:(\d+) LOCAL:(\d+)`)
)

func code(k map[string]map[string]*machineCode, function, arch string) *machineCode {
	if k[function] == nil {
		k[function] = map[string]*machineCode{}
	}
	if k[function][arch] == nil {
		k[function][arch] = &machineCode{count: map[string]int{}}
	}
	return k[function][arch]
}

// parseSASS counts the instructions in the output of cuobjdump -sass.
func parseSASS(k map[string]map[string]*machineCode, text []byte) {
	var arch string
	var c *machineCode
	eachLine(bytes.NewReader(text), func(line string) {
		if m := archLine.FindStringSubmatch(line); m != nil {
			arch = m[1]
		} else if m := functionLine.FindStringSubmatch(line); m != nil {
			c = code(k, m[1], arch)
		} else if m := instruction.FindStringSubmatch(line); m != nil && m[1] != "!PT" { // @!PT: filler that never runs
			c.add(strings.Split(m[2], "."))
		}
	})
}

// add counts one instruction, op[0] with its suffixes.
func (c *machineCode) add(op []string) {
	wide := slices.Contains(op, "128")
	switch op[0] {
	case "HMMA", "IMMA":
		c.count["mma"]++
	case "LDSM":
		c.count["ldmatrix"]++
	case "LDGSTS":
		c.count["cp_async"]++
	case "LDG", "STG":
		name := strings.ToLower(op[0])
		if wide {
			c.count[name+"128"]++
		} else {
			c.count[name+"_narrow"]++
		}
	case "LDL", "STL":
		c.local++
	}
}

// parseUsage reads the output of cuobjdump --dump-resource-usage.
func parseUsage(k map[string]map[string]*machineCode, text []byte) {
	var arch, function string
	eachLine(bytes.NewReader(text), func(line string) {
		if m := archLine.FindStringSubmatch(line); m != nil {
			arch = m[1]
		} else if m := usageName.FindStringSubmatch(line); m != nil {
			function = m[1]
		} else if m := usage.FindStringSubmatch(line); m != nil {
			c := code(k, function, arch)
			var n [4]int
			for i := range n {
				n[i], _ = strconv.Atoi(m[i+1]) // digits, by the pattern
			}
			c.registers, c.stack, c.shared = n[0], cmp.Or(n[1], n[3]), n[2]
		}
	})
}

func eachLine(r io.Reader, f func(string)) {
	s := bufio.NewScanner(r)
	for s.Scan() {
		f(s.Text())
	}
}
