package index

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
)

// packVersion is the first byte of a packed block.
const packVersion = 1

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// errPacked reports a packed block that is not what pack made.
var errPacked = errors.New("packed block is damaged")

// pack encodes a block: the version, the bitmap of live units, the names that it
// uses, each column for the live units in their order, the spans, and a CRC-32C
// of all of it and the block's number, so that one in another's place is noticed.
// Numbers are little endian.
func (b *block) pack(number int, n *names) []byte {
	count := b.live.Count()
	out := make([]byte, 0, 256+64*count)
	out = append(out, packVersion)
	for _, w := range b.live {
		out = binary.LittleEndian.AppendUint64(out, w)
	}
	local := newNames()
	each(&b.live, func(i int) {
		local.number(n.list[b.project[i]])
		local.number(n.list[b.tags[i]])
	})
	out = binary.AppendUvarint(out, uint64(len(local.list)-1))
	for _, s := range local.list[1:] {
		out = binary.AppendUvarint(out, uint64(len(s)))
		out = append(out, s...)
	}
	each(&b.live, func(i int) { out = append(out, b.kind[i]) })
	each(&b.live, func(i int) { out = append(out, b.typ[i]) })
	each(&b.live, func(i int) { out = append(out, b.status[i]) })
	each(&b.live, func(i int) { out = binary.LittleEndian.AppendUint16(out, uint16(local.number(n.list[b.project[i]]))) })
	each(&b.live, func(i int) { out = binary.LittleEndian.AppendUint16(out, uint16(local.number(n.list[b.tags[i]]))) })
	for _, column := range []*[blockUnits]int64{&b.time, &b.thread, &b.place} {
		each(&b.live, func(i int) { out = binary.LittleEndian.AppendUint64(out, uint64(column[i])) })
	}
	each(&b.live, func(i int) { out = binary.LittleEndian.AppendUint64(out, math.Float64bits(b.confidence[i])) })
	each(&b.live, func(i int) { out = binary.LittleEndian.AppendUint64(out, b.document[i]) })
	for _, column := range []*[blockUnits]uint32{&b.siblings, &b.headLength, &b.bodyLen} {
		each(&b.live, func(i int) { out = binary.LittleEndian.AppendUint32(out, column[i]) })
	}
	out = binary.AppendUvarint(out, uint64(b.bounded.Count()))
	each(&b.bounded, func(i int) {
		out = binary.LittleEndian.AppendUint16(out, uint16(i))
		out = binary.LittleEndian.AppendUint64(out, uint64(b.spans[i].from))
		out = binary.LittleEndian.AppendUint64(out, uint64(b.spans[i].until))
	})
	return binary.LittleEndian.AppendUint32(out, packedSum(out, number))
}

// packedSum is the checksum of a packed block.
func packedSum(body []byte, number int) uint32 {
	return crc32.Update(crc32.Checksum(body, castagnoli), castagnoli, binary.LittleEndian.AppendUint64(nil, uint64(number)))
}

// unpack decodes the packed block of a number. Its error matches errPacked.
func unpack(data []byte, number int, n *names) (*block, error) {
	if len(data) < 1+blockUnits/8+4 || data[0] != packVersion {
		return nil, fmt.Errorf("%w: %d bytes", errPacked, len(data))
	}
	body := data[:len(data)-4]
	if packedSum(body, number) != binary.LittleEndian.Uint32(data[len(body):]) {
		return nil, fmt.Errorf("%w: checksum", errPacked)
	}
	d := decoder{data: body[1:]}
	b := &block{}
	for w := range b.live {
		b.live[w] = binary.LittleEndian.Uint64(d.take(8))
	}
	local := d.names(n)
	count := b.live.Count()
	column8 := func(to *[blockUnits]uint8, names []string) {
		from := d.take(count)
		each(&b.live, func(i int) {
			to[i], from = from[0], from[1:]
			d.bad = d.bad || int(to[i]) >= len(names)
		})
	}
	column8(&b.kind, kindNames)
	column8(&b.typ, typeNames)
	column8(&b.status, statusNames)
	for _, to := range []*[blockUnits]uint32{&b.project, &b.tags} {
		from := d.take(2 * count)
		each(&b.live, func(i int) {
			k := int(binary.LittleEndian.Uint16(from))
			from = from[2:]
			if k < len(local) {
				to[i] = local[k]
			} else {
				d.bad = true
			}
		})
	}
	for _, to := range []*[blockUnits]int64{&b.time, &b.thread, &b.place} {
		from := d.take(8 * count)
		each(&b.live, func(i int) { to[i] = int64(binary.LittleEndian.Uint64(from)); from = from[8:] })
	}
	from := d.take(8 * count)
	each(&b.live, func(i int) { b.confidence[i] = math.Float64frombits(binary.LittleEndian.Uint64(from)); from = from[8:] })
	from = d.take(8 * count)
	each(&b.live, func(i int) { b.document[i] = binary.LittleEndian.Uint64(from); from = from[8:] })
	for _, to := range []*[blockUnits]uint32{&b.siblings, &b.headLength, &b.bodyLen} {
		from := d.take(4 * count)
		each(&b.live, func(i int) { to[i] = binary.LittleEndian.Uint32(from); from = from[4:] })
	}
	d.spans(b)
	if d.bad || len(d.data) > 0 {
		return nil, fmt.Errorf("%w: length", errPacked)
	}
	each(&b.live, func(i int) {
		if !b.bounded.Has(i) && b.status[i] == statusActive {
			b.plain.Set(i)
		}
	})
	b.sum()
	return b, nil
}

// A decoder reads a packed block. Past its end it gives zeros and remembers.
type decoder struct {
	data []byte
	bad  bool
}

func (d *decoder) take(n int) []byte {
	if n < 0 || n > len(d.data) {
		d.bad, d.data = true, nil
		return make([]byte, min(max(n, 0), 8*blockUnits))
	}
	out := d.data[:n]
	d.data = d.data[n:]
	return out
}

func (d *decoder) uvarint() int {
	v, n := binary.Uvarint(d.data)
	if n <= 0 || v > math.MaxInt32 {
		d.bad, d.data = true, nil
		return 0
	}
	d.data = d.data[n:]
	return int(v)
}

// names reads the block's names and returns their numbers in n.
func (d *decoder) names(n *names) []uint32 {
	local := []uint32{0}
	for range min(d.uvarint(), 2*blockUnits) {
		size := d.uvarint()
		if size > len(d.data) {
			d.bad, d.data = true, nil
			break
		}
		local = append(local, n.number(string(d.take(size))))
	}
	return local
}

func (d *decoder) spans(b *block) {
	for range min(d.uvarint(), blockUnits) {
		i := int(binary.LittleEndian.Uint16(d.take(2)))
		s := span{int64(binary.LittleEndian.Uint64(d.take(8))), int64(binary.LittleEndian.Uint64(d.take(8)))}
		if i >= blockUnits || !b.live.Has(i) {
			d.bad = true
			return
		}
		b.bound(i, s)
	}
}
