package report

import (
	"encoding/json"
	"errors"
	"html"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// browser is headless Chromium: VIMPS_CHROMIUM, or what the machine has.
func browser(t *testing.T) string {
	t.Helper()
	if path := os.Getenv("VIMPS_CHROMIUM"); path != "" {
		return path
	}
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Skip("needs Chromium (none found; VIMPS_CHROMIUM names one)")
	return ""
}

// inBrowser opens a report in headless Chromium, runs a script as a reader's hand would act, and returns what the script left in
// `out`, by name.
func inBrowser(t *testing.T, r *Report, script string) map[string]string {
	t.Helper()
	chromium := browser(t)
	page := writtenPage(t, r)
	// A second script, which the page's policy would rightly refuse.
	policy := regexp.MustCompile(`<meta http-equiv="Content-Security-Policy"[^>]*>`)
	page = policy.ReplaceAllString(page, "")
	page = strings.Replace(page, "</body>", `<script>
const out = {}, wait = ms => new Promise(done => setTimeout(done, ms));
const until = async f => { for (let i = 0; i < 500 && !f(); i++) await wait(10); };
const dot = n => [...document.querySelectorAll("circle.child[data-series='this run']")].find(c => c.dataset.n == n);
const set = (id, v) => { const e = document.getElementById(id); e.value = v; e.dispatchEvent(new Event("input")); };
addEventListener("error", e => { out.error = String(e.message); });
(async () => { try { `+script+` } catch (e) { out.error = String(e); }
const pre = document.createElement("pre"); pre.id = "out"; pre.textContent = JSON.stringify(out); document.body.append(pre); })();
</script></body>`, 1)
	dir := t.TempDir()
	path := filepath.Join(dir, "page.html")
	if err := os.WriteFile(path, []byte(page), 0o666); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(chromium, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--user-data-dir="+filepath.Join(dir, "profile"),
		"--virtual-time-budget=20000", "--dump-dom", "file://"+path)
	cmd.WaitDelay = time.Second
	kill := time.AfterFunc(time.Minute, func() { cmd.Process.Kill() })
	defer kill.Stop()
	dom, err := cmd.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		t.Fatalf("%s: %v: %.500s", chromium, err, exit.Stderr)
	}
	found := regexp.MustCompile(`(?s)<pre id="out">(.*?)</pre>`).FindSubmatch(dom)
	if found == nil {
		t.Fatalf("the script did not end; %d bytes of page", len(dom))
	}
	out := map[string]string{}
	if err := json.Unmarshal([]byte(html.UnescapeString(string(found[1]))), &out); err != nil {
		t.Fatal(err)
	}
	if out["error"] != "" {
		t.Fatal(out["error"])
	}
	return out
}

// Pointing at a child shows its bits; a click copies the command that makes it.
func TestReaderLooksAtAChild(t *testing.T) {
	r := madeUp(t, 5, 12)
	r.Dir = "runs/it's"
	out := inBrowser(t, r, `
out.points = String(document.querySelectorAll("circle.child").length);
dot(2).dispatchEvent(new Event("mouseenter"));
out.hover = document.getElementById("what").textContent;
dot(3).dispatchEvent(new Event("click"));
dot(2).dispatchEvent(new Event("mouseenter"));
dot(2).dispatchEvent(new Event("mouseleave"));
out.pinned = document.getElementById("detail").dataset.n;
out.bits = [...document.querySelectorAll("#bits tr")].map(tr => [...tr.children].map(c => c.textContent).join(",")).join(";");
let copied = "";
Object.defineProperty(navigator, "clipboard", { value: { writeText: async s => { copied = s; } } });
document.querySelector("#commands button").click();
await until(() => document.querySelector("#commands button").textContent !== "copy");
out.copied = copied;
out.said = document.querySelector("#commands button").textContent;`)
	if want := len(r.Front.Points); out["points"] != strconv.Itoa(want) {
		t.Errorf("%s dots, want %d", out["points"], want)
	}
	if !strings.Contains(out["hover"], "child 2:") || out["pinned"] != "3" {
		t.Errorf("hover says %q, child %s is kept; want children 2 and 3", out["hover"], out["pinned"])
	}
	var names, weights, inputs []string
	p := r.Front.Points[3].Assignment
	for k := range p.Len() {
		w, x := p.Bits(k)
		names, weights, inputs = append(names, p.Name(k)), append(weights, strconv.Itoa(w)), append(inputs, strconv.Itoa(x))
	}
	want := "," + strings.Join(names, ",") + ";weights," + strings.Join(weights, ",") + ";inputs," + strings.Join(inputs, ",")
	if out["bits"] != want {
		t.Errorf("bits\n%s, want\n%s", out["bits"], want)
	}
	if want := `vimps-gpu finetune --run 'runs/it'\''s' --point 3 --out 'runs/it'\''s'-3`; out["copied"] != want || out["said"] != "copied" {
		t.Errorf("copied %q, want %q; the button says %q", out["copied"], want, out["said"])
	}
}

// A budget leaves the children that keep it, and names the one that pick would take.
func TestReaderFiltersByBudget(t *testing.T) {
	r := madeUp(t, 5, 12)
	const budget = 0.4
	fit, best := 0, -1
	for i, p := range r.Front.Points {
		if p.RelativeBOPs > budget {
			continue
		}
		fit++
		if best < 0 || p.AccuracyVal > r.Front.Points[best].AccuracyVal {
			best = i
		}
	}
	if fit == 0 || fit == len(r.Front.Points) {
		t.Fatalf("%d of %d children within the budget: a test of nothing", fit, len(r.Front.Points))
	}
	out := inBrowser(t, r, `
set("budget", "0.4");
out.inside = String(document.querySelectorAll("circle.child:not(.outside)").length);
out.rows = String([...document.querySelectorAll("tr[data-n]")].filter(r => !r.hidden).length);
out.best = document.querySelector("#best button").textContent;
set("budget", "0.0001");
out.none = document.getElementById("best").textContent;
set("budget", "");
out.all = String(document.querySelectorAll("circle.child:not(.outside)").length);`)
	if out["inside"] != strconv.Itoa(fit) || out["rows"] != strconv.Itoa(fit) || out["all"] != strconv.Itoa(len(r.Front.Points)) {
		t.Errorf("%s dots and %s rows within the budget, want %d; %s without one, want %d", out["inside"], out["rows"], fit, out["all"], len(r.Front.Points))
	}
	if out["best"] != "child "+strconv.Itoa(best) || !strings.HasPrefix(out["none"], "No child") {
		t.Errorf("the best is %q, want child %d; without any it says %q", out["best"], best, out["none"])
	}
}

// Another run's front.json is laid over the plot; a file that is none leaves a message.
func TestReaderComparesRuns(t *testing.T) {
	r := madeUp(t, 5, 12)
	other := madeUp(t, 3, 6)
	front, err := other.Front.JSON()
	if err != nil {
		t.Fatal(err)
	}
	out := inBrowser(t, r, `
const give = async (name, text, done) => {
  const files = new DataTransfer();
  files.items.add(new File([text], name));
  const input = document.getElementById("compare");
  input.files = files.files;
  input.dispatchEvent(new Event("change"));
  await until(done);
};
const own = document.querySelectorAll("circle.child").length;
await give("front.json", `+jsString(string(front))+`, () => document.querySelectorAll("circle.child").length > own);
out.more = String(document.querySelectorAll("circle.child").length - own);
out.legend = document.getElementById("legend").textContent;
await give("junk.json", "{\"points\": 3}", () => document.getElementById("problem").textContent);
out.problem = document.getElementById("problem").textContent;
document.querySelector("#legend button").click();
out.removed = String(document.querySelectorAll("circle.child").length - own);`)
	if out["more"] != strconv.Itoa(len(other.Front.Points)) || out["removed"] != "0" || !strings.Contains(out["legend"], "front.json") {
		t.Errorf("%s dots more, want %d; %s after removal; legend %q", out["more"], len(other.Front.Points), out["removed"], out["legend"])
	}
	if !strings.Contains(out["problem"], "junk.json is no front.json of a run") {
		t.Errorf("of a wrong file it says %q", out["problem"])
	}
}

// The page runs under its own policy: the plot is there without any help.
func TestPageRunsUnderItsPolicy(t *testing.T) {
	chromium, dir := browser(t), t.TempDir()
	path := filepath.Join(dir, "page.html")
	if err := os.WriteFile(path, []byte(writtenPage(t, madeUp(t, 5, 12))), 0o666); err != nil {
		t.Fatal(err)
	}
	dom, err := exec.Command(chromium, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--user-data-dir="+filepath.Join(dir, "profile"), "--dump-dom", "file://"+path).Output()
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(dom), `class="child`) || strings.Contains(string(dom), `<section id="explore" hidden`) {
		t.Error("the page's script did not run")
	}
}

func jsString(s string) string {
	data, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	return string(data)
}
