package sqlite

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
)

// The format of the write-ahead log is https://sqlite.org/fileformat2.html#walformat.
const (
	walHeaderSize   = 32
	frameHeaderSize = 24
)

// walScan finds what has been committed to a write-ahead log, as SQLite does
// when it recovers one: frames count as long as their salts are the header's and
// their checksums continue each other, and the last of them that ends a
// transaction ends the log.
type walScan struct {
	f        io.ReaderAt
	header   [walHeaderSize]byte
	pageSize int
	order    binary.ByteOrder // of the words that are summed

	next int64     // where the next transaction's first frame is
	sum  [2]uint32 // of all before it

	pages map[uint32]int64 // where the last committed content of a page is, in f
	size  uint32           // pages of the database after the last commit
}

// newWALScan reads the header. A log without one, or with a torn one, is empty.
func newWALScan(f io.ReaderAt) (*walScan, error) {
	w := &walScan{f: f, pages: map[uint32]int64{}}
	h := w.header[:]
	if _, err := f.ReadAt(h, 0); errors.Is(err, io.EOF) {
		clear(h)
		return w, nil
	} else if err != nil {
		return nil, err
	}
	switch binary.BigEndian.Uint32(h) {
	case 0x377f0682:
		w.order = binary.LittleEndian
	case 0x377f0683:
		w.order = binary.BigEndian
	default:
		return w, nil
	}
	size := int(binary.BigEndian.Uint32(h[8:]))
	if size < 512 || size > 64<<10 || size&(size-1) != 0 || binary.BigEndian.Uint32(h[4:]) != 3007000 {
		return w, nil
	}
	sum := checksum(w.order, [2]uint32{}, h[:24])
	if sum[0] != binary.BigEndian.Uint32(h[24:]) || sum[1] != binary.BigEndian.Uint32(h[28:]) {
		return w, nil
	}
	w.pageSize, w.next, w.sum = size, walHeaderSize, sum
	return w, nil
}

// same reports whether the log still is the one whose header was read: it has
// not begun anew.
func (w *walScan) same() (bool, error) {
	var h [walHeaderSize]byte
	if _, err := w.f.ReadAt(h[:], 0); errors.Is(err, io.EOF) {
		clear(h[:])
	} else if err != nil {
		return false, err
	}
	return h == w.header, nil
}

// advance takes in what has been committed since the last time.
func (w *walScan) advance() error {
	if w.pageSize == 0 {
		return nil
	}
	frame := make([]byte, frameHeaderSize+w.pageSize)
	sum := w.sum
	open := map[uint32]int64{} // pages of the transaction that is being read
	for at := w.next; ; at += int64(len(frame)) {
		if _, err := w.f.ReadAt(frame, at); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		page := binary.BigEndian.Uint32(frame)
		if page == 0 || !bytes.Equal(frame[8:16], w.header[16:24]) {
			return nil
		}
		sum = checksum(w.order, sum, frame[:8])
		sum = checksum(w.order, sum, frame[frameHeaderSize:])
		if sum[0] != binary.BigEndian.Uint32(frame[16:]) || sum[1] != binary.BigEndian.Uint32(frame[20:]) {
			return nil
		}
		open[page] = at + frameHeaderSize
		if size := binary.BigEndian.Uint32(frame[4:]); size > 0 {
			for p, where := range open {
				w.pages[p] = where
			}
			clear(open)
			w.size, w.next, w.sum = size, at+int64(len(frame)), sum
		}
	}
}

// checksum continues the log's checksum over b, a multiple of eight bytes.
func checksum(order binary.ByteOrder, s [2]uint32, b []byte) [2]uint32 {
	if order == binary.ByteOrder(binary.LittleEndian) {
		for ; len(b) >= 8; b = b[8:] { // the usual case, without calls through an interface
			s[0] += binary.LittleEndian.Uint32(b) + s[1]
			s[1] += binary.LittleEndian.Uint32(b[4:]) + s[0]
		}
		return s
	}
	for ; len(b) >= 8; b = b[8:] {
		s[0] += order.Uint32(b) + s[1]
		s[1] += order.Uint32(b[4:]) + s[0]
	}
	return s
}
