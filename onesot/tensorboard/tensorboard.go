// Package tensorboard writes scalars as TensorBoard reads them: event files of length-prefixed, checksummed protocol buffers
// (tensorflow/core/util/event.proto, record_writer.h).
package tensorboard

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"os"
	"path/filepath"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

// Scalar is one value of a plot.
type Scalar struct {
	Tag   string
	Value float64 // written as float32
}

// Writer appends to one event file. A folder may hold several; TensorBoard shows them as one run.
type Writer struct{ file *os.File }

// Create makes a new event file in dir, which it makes too. A run that goes on after a stop makes another file; what earlier ones
// hold at firstStep and later, done but lost with the state, TensorBoard then leaves out.
func Create(dir string, firstStep int64, now time.Time) (*Writer, error) {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, fmt.Errorf("tensorboard: %w", err)
	}
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	// TensorBoard takes a folder's files in the order of their names.
	name := fmt.Sprintf("events.out.tfevents.%010d.%s.%09d.v2", now.Unix(), host, now.Nanosecond())
	f, err := os.OpenFile(filepath.Join(dir, name), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o666)
	if err != nil {
		return nil, fmt.Errorf("tensorboard: %w", err)
	}
	w := &Writer{f}
	version := protowire.AppendString(protowire.AppendTag(nil, eventVersion, protowire.BytesType), "brain.Event:2")
	// SessionLog.START at a step purges what comes after it.
	start := protowire.AppendVarint(protowire.AppendTag(nil, sessionStatus, protowire.VarintType), sessionStart)
	session := protowire.AppendBytes(protowire.AppendTag(nil, eventSession, protowire.BytesType), start)
	if err := errors.Join(w.event(now, 0, version), w.event(now, firstStep, session)); err != nil {
		f.Close()
		return nil, err
	}
	return w, nil
}

// Close ends the file.
func (w *Writer) Close() error { return w.file.Close() }

// Scalars appends values at a step. What is not finite is left out: it has no place in a plot.
func (w *Writer) Scalars(step int64, now time.Time, values []Scalar) error {
	var summary []byte
	for _, s := range values {
		if math.IsNaN(s.Value) || math.IsInf(s.Value, 0) {
			continue
		}
		value := protowire.AppendString(protowire.AppendTag(nil, valueTag, protowire.BytesType), s.Tag)
		value = protowire.AppendFixed32(protowire.AppendTag(value, valueSimple, protowire.Fixed32Type), math.Float32bits(float32(s.Value)))
		summary = protowire.AppendBytes(protowire.AppendTag(summary, summaryValue, protowire.BytesType), value)
	}
	return w.event(now, step, protowire.AppendBytes(protowire.AppendTag(nil, eventSummary, protowire.BytesType), summary))
}

// Field numbers of event.proto and summary.proto.
const (
	eventTime, eventStep, eventVersion, eventSummary, eventSession = 1, 2, 3, 5, 7
	summaryValue, valueTag, valueSimple                            = 1, 1, 2
	sessionStatus, sessionStart                                    = 1, 1
)

// event appends an Event with the given content.
func (w *Writer) event(now time.Time, step int64, what []byte) error {
	e := protowire.AppendFixed64(protowire.AppendTag(nil, eventTime, protowire.Fixed64Type), math.Float64bits(float64(now.UnixNano())/1e9))
	e = protowire.AppendVarint(protowire.AppendTag(e, eventStep, protowire.VarintType), uint64(step))
	if _, err := w.file.Write(record(append(e, what...))); err != nil {
		return fmt.Errorf("tensorboard: %w", err)
	}
	return nil
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// record frames data: length, its checksum, data, its checksum, little endian.
func record(data []byte) []byte {
	out := binary.LittleEndian.AppendUint64(nil, uint64(len(data)))
	out = binary.LittleEndian.AppendUint32(out, masked(out))
	out = append(out, data...)
	return binary.LittleEndian.AppendUint32(out, masked(data))
}

// masked is the checksum of a record, rotated and shifted so that one of data that holds checksums is not weak.
func masked(data []byte) uint32 {
	c := crc32.Checksum(data, castagnoli)
	return (c>>15 | c<<17) + 0xa282ead8
}
