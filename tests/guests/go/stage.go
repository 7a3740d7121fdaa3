// Package export_stageway_stage_stage is a stage that looks at everything that could differ from one run to the next, and
// answers what it saw. The bindings ask for the name of the package.
package export_stageway_stage_stage

import (
	cryptorand "crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"hash/maphash"
	"math"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"time"

	. "go.bytecodealliance.org/pkg/wit/types"
	"wit_component/stageway_host_clock"
	"wit_component/stageway_host_images"
	"wit_component/stageway_host_invocation"
	"wit_component/stageway_host_log"
	"wit_component/stageway_host_source"
	"wit_component/stageway_host_types"
	. "wit_component/stageway_stage_stage"
)

const manifest = `{
  "name": "guests/go",
  "version": "1.0.0",
  "summary": "Looks at time, randomness, order, NaNs and memory, and answers what it saw",
  "configuration": {
    "type": "object",
    "additionalProperties": false,
    "properties": {
      "rounds": { "type": "integer", "minimum": 1, "maximum": 100 },
      "mebibytes": { "type": "integer", "minimum": 0, "maximum": 256 },
      "milliseconds": { "type": "integer", "minimum": 0, "maximum": 60000 },
      "repository": { "type": "string" }
    }
  },
  "outputs": { "type": "object", "properties": { "seen": { "type": "array" } } },
  "grants": {
    "required": [{ "interface": "source" }],
    "optional": [{ "interface": "images", "repositories": [{ "from": "/repository", "actions": ["read"] }] }]
  },
  "skip": "never"
}`

type configuration struct {
	Rounds       int    `json:"rounds"`
	Mebibytes    int    `json:"mebibytes"`
	Milliseconds int    `json:"milliseconds"`
	Repository   string `json:"repository"`
}

func read(text string) (configuration, error) {
	config := configuration{Rounds: 2, Mebibytes: 16, Milliseconds: 5, Repository: "images/app"}
	err := json.Unmarshal([]byte(text), &config)
	return config, err
}

// What was seen, each also a line of the log.
type seen struct {
	all []string
}

func (seen *seen) see(what string, values ...any) {
	line := strings.TrimSuffix(what+" "+fmt.Sprintln(values...), "\n")
	seen.all = append(seen.all, line)
	stageway_host_log.Write(stageway_host_log.Level_Info, line)
}

func Describe() string {
	return manifest
}

func Validate(text string) []ConfigIssue {
	config, err := read(text)
	if err != nil {
		return []ConfigIssue{{Pointer: "", Message: err.Error()}}
	}
	if config.Mebibytes == 13 {
		return []ConfigIssue{{Pointer: "/mebibytes", Message: "13 is unlucky"}}
	}
	return nil
}

func Run(text string) Result[string, Verdict] {
	config, err := read(text)
	if err != nil {
		return failed(err)
	}
	seen := &seen{}
	fmt.Println("printed")
	fmt.Fprintln(os.Stderr, "complained")
	for number := range config.Rounds {
		times(seen)
		randomness(seen)
		order(seen)
		nans(seen)
		calls(seen, config.Repository, number)
		time.Sleep(time.Duration(config.Milliseconds) * time.Millisecond)
	}
	together(seen)
	memory(seen, config.Mebibytes)
	times(seen)
	outputs, err := json.Marshal(map[string][]string{"seen": seen.all})
	if err != nil {
		return failed(err)
	}
	return Ok[string, Verdict](string(outputs))
}

func failed(err error) Result[string, Verdict] {
	failure := Failure{Code: "guests/go", Message: err.Error(), Details: None[string]()}
	return Err[string](MakeVerdictErrored(failure))
}

var began = time.Now()

func times(seen *seen) {
	now := time.Now()
	seen.see("time", now.UnixNano(), now.Sub(began).Nanoseconds())
	seen.see("date", now.Format(time.RFC3339Nano))
	seen.see("now", stageway_host_clock.NowMs())
}

func randomness(seen *seen) {
	bytes := make([]byte, 16)
	_, err := cryptorand.Read(bytes)
	seen.see("random", hex.EncodeToString(bytes), err, rand.Uint64(), rand.Float64())
	seen.see("seed", maphash.String(maphash.MakeSeed(), "word"))
	seen.see("stream", hex.EncodeToString(stageway_host_invocation.Random(8)))
}

func order(seen *seen) {
	words := map[string]int{}
	for number := range 300 {
		words[fmt.Sprint("word-", number*7919%1000)] = number
	}
	var all []string
	for word := range words {
		all = append(all, word)
	}
	seen.see("words", digest(all...))
	seen.see("place", fmt.Sprintf("%p", &all))
}

func nans(seen *seen) {
	zero, infinity := float64(len(seen.all)-len(seen.all)), math.Inf(1)
	payload := math.Float64frombits(0x7ff8deadbeef0001)
	numbers := []float64{zero / zero, infinity - infinity, -(zero / zero), math.NaN(), math.Sqrt(-1 - zero)}
	numbers = append(numbers, payload+1, payload*2, 1-payload, math.Floor(payload), payload)
	var doubles, floats []byte
	for _, number := range numbers {
		doubles = binary.LittleEndian.AppendUint64(doubles, math.Float64bits(number))
		floats = binary.LittleEndian.AppendUint32(floats, math.Float32bits(float32(number)))
	}
	seen.see("doubles", hex.EncodeToString(doubles))
	seen.see("floats", hex.EncodeToString(floats))
}

func calls(seen *seen, repository string, number int) {
	seen.see("cancelled", stageway_host_invocation.IsCancelled())
	none := None[string]()
	seen.see("commits", list(stageway_host_source.Commits(none, 3)))
	seen.see("changed", list(stageway_host_source.ChangedFiles(none, none, 5)))
	found := stageway_host_images.Find(repository, fmt.Sprint("v", number))
	switch {
	case found.IsErr():
		seen.see("image", "refused", found.Err().Tag())
	case found.Ok().IsNone():
		seen.see("image", "none")
	default:
		seen.see("image", found.Ok().Some().Digest)
	}
	stageway_host_clock.Sleep(3)
}

func list(answer Result[[]string, stageway_host_types.HostError]) string {
	if answer.IsErr() {
		return fmt.Sprint("refused ", answer.Err().Tag())
	}
	return digest(answer.Ok()...)
}

// Goroutines that wait on timers and on each other: their order is the scheduler's.
func together(seen *seen) {
	var all sync.WaitGroup
	numbers := make(chan int, 20)
	for number := range 20 {
		all.Go(func() {
			time.Sleep(time.Duration(number%3) * time.Millisecond)
			numbers <- number
		})
	}
	all.Wait()
	close(numbers)
	var order []string
	for number := range numbers {
		order = append(order, fmt.Sprint(number))
	}
	seen.see("goroutines", strings.Join(order, ","))
	select {
	case <-time.After(2 * time.Millisecond):
		seen.see("timer", "first")
	case <-time.After(4 * time.Millisecond):
		seen.see("timer", "second")
	}
}

func memory(seen *seen, mebibytes int) {
	pages := make([]byte, mebibytes<<20)
	for at := 0; at < len(pages); at += 4096 {
		pages[at] = byte(at >> 12)
	}
	sum := uint32(0)
	for at := 0; at < len(pages); at += 4096 {
		sum = sum*31 + uint32(pages[at])
	}
	seen.see("memory", len(pages), sum)
	for _, name := range []string{"memory-bytes", "wall-ms", "nothing"} {
		limit := stageway_host_invocation.Limit(name)
		seen.see(name, limit.IsSome(), limit.SomeOr(0))
	}
}

func digest(parts ...string) string {
	hash := fnv.New64a()
	for _, part := range parts {
		hash.Write([]byte(part))
		hash.Write([]byte{0})
	}
	return fmt.Sprintf("%016x", hash.Sum64())
}
