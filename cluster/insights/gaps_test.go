package insights

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"minato.dev/minato/engine/store/memstore"
	"minato.dev/minato/service/eks"
)

// at is an event that was written at a time of the day.
func at(clock string) string {
	return string(line("12:00:00.125456Z", clock+"Z", "v1beta3", "v1", `,"k8s.io/deprecated":"true","k8s.io/removed-release":"1.32"`, ""))
}

// What of the log is lost or no event is told of, from when to when, also by the server that is started next; and no longer than it matters.
func TestGaps(t *testing.T) {
	for name, test := range map[string]struct {
		rotations int
		then      []string
		want      string
	}{
		"lost":    {rotations: keptLogs + 1, then: []string{at("12:30:00")}, want: "from 2026-10-01 12:10:00 UTC to 2026-10-01 12:30:00 UTC: " + lostLog},
		"garbage": {then: []string{"panic: runtime error", "{}", at("12:20:00"), at("12:30:00")}, want: "from 2026-10-01 12:10:00 UTC to 2026-10-01 12:20:00 UTC: " + garbageLog},
		"nothing": {then: []string{at("12:20:00"), at("12:30:00")}},
	} {
		t.Run(name, func(t *testing.T) {
			s := memstore.New()
			if _, err := eks.Clusters(s).Create(t.Context(), "prod", *testCluster()); err != nil {
				t.Fatal(err)
			}
			log := filepath.Join(t.TempDir(), "audit.log")
			write := func(lines ...string) {
				t.Helper()
				f, err := os.OpenFile(log, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
				if err != nil {
					t.Fatal(err)
				}
				defer f.Close()
				if _, err := f.WriteString(strings.Join(lines, "\n") + "\n"); err != nil {
					t.Fatal(err)
				}
			}
			write(at("12:00:00"), at("12:10:00"))
			if err := counted(t, s, log).flush(t.Context()); err != nil {
				t.Fatal(err)
			}
			for range test.rotations { // more than are kept, before the next server starts
				for n := keptLogs; n > 1; n-- {
					_ = os.Rename(newTail(log, position{}).copied(n-1), newTail(log, position{}).copied(n))
				}
				if err := os.Rename(log, log+".1"); err != nil {
					t.Fatal(err)
				}
				write(test.then...)
			}
			if test.rotations == 0 {
				write(test.then...)
			}
			if err := counted(t, s, log).flush(t.Context()); err != nil {
				t.Fatal(err)
			}
			next := counted(t, s, log)
			now := noon.Add(time.Hour)
			if got := judged(next.usage.missed(now, now.Add(-recently))); test.want == "" && got.Status != eks.InsightPassing ||
				test.want != "" && (got.Status != eks.InsightUnknown || got.Reason != "Deprecated API usage may be missing "+test.want+".") {
				t.Errorf("the insight is %+v, want %q", got, test.want)
			}
			if got := judged(next.usage.missed(now, noon.Add(31*time.Minute))); got.Status != eks.InsightPassing {
				t.Errorf("when it does not matter any more the insight is %+v", got)
			}
		})
	}
}

// judged is what the insight says of calls that nobody made, as far as is known.
func judged(missed []gap) eks.InsightStatus {
	v := newView(testCluster(), noon, noon.Add(-recently), nil)
	v.missed = missed
	return v.usage(eks.InsightError, nil, nil).status
}

func TestGapsAreBounded(t *testing.T) {
	var gaps []gap
	for n := range 3 * maxGaps {
		from := noon.Add(time.Duration(n) * time.Hour)
		gaps = withGap(gaps, gap{from, from.Add(time.Second), lostLog})
		gaps = withGap(gaps, gap{from.Add(30 * time.Second), from.Add(40 * time.Second), lostLog}) // the same
	}
	if len(gaps) != maxGaps || !gaps[0].From.Equal(noon) || !gaps[1].To.Equal(gaps[1].From.Add(40*time.Second)) {
		t.Errorf("%d gaps: %v", len(gaps), gaps)
	}
	if got := judged(gaps).Reason; strings.Count(got, lostLog) != maxShownGaps || !strings.HasSuffix(got, "; and before.") {
		t.Errorf("the reason is %q", got)
	}
	if got := (gap{To: noon, Why: lostLog}).String(); !strings.HasPrefix(got, "until 2026-10-01 12:00:00 UTC: ") {
		t.Errorf("a gap without a beginning is %q", got)
	}
}

func TestAuditErrors(t *testing.T) {
	const metrics = `# HELP apiserver_audit_error_total [ALPHA] Counter of audit events that failed to be audited properly.
# TYPE apiserver_audit_error_total counter
apiserver_audit_error_total{plugin="log"} 12
apiserver_audit_error_total{plugin="webhook"} 1
apiserver_audit_event_total 8765
process_start_time_seconds 1.76350512e+09
`
	began := readAuditErrors([]byte(metrics))
	if began.Count != 13 || began.Began != 1.76350512e+09 {
		t.Fatalf("read %+v", began)
	}
	began.At = noon
	u := newUsage()
	seen := []bool{u.heardErrors(auditErrors{Began: 1, At: noon})}
	for _, next := range []auditErrors{
		{Began: 1, Count: 2, At: noon.Add(time.Hour)},
		{Began: 1, Count: 2, At: noon.Add(2 * time.Hour)},
		{Began: 2, Count: 1, At: noon.Add(3 * time.Hour)}, // started again
		{Began: 3, At: noon.Add(4 * time.Hour)},
	} {
		seen = append(seen, u.heardErrors(next))
	}
	if want := []bool{false, true, false, true, false}; !slices.Equal(seen, want) {
		t.Errorf("more errors: %v, want %v", seen, want)
	}
	if got := u.missed(noon.Add(5*time.Hour), noon); len(got) != 2 || got[0].String() != "from 2026-10-01 12:00:00 UTC to 2026-10-01 13:00:00 UTC: "+failedAudit {
		t.Errorf("the gaps are %v", got)
	}
}
