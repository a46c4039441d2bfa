package vectorindex

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// ErrDamaged is for bytes that were not written by this package, or not left as
// they were written.
var ErrDamaged = errors.New("vectorindex: damaged")

// ErrOtherCoder is for codes that another coder made: they cannot be compared with
// those of this one and have to be made again.
var ErrOtherCoder = errors.New("vectorindex: codes of another coder")

// The packed form of a block, integers little-endian:
//
//	byte    1, the version of the form
//	uint16  number of words of a code
//	uint64  identity of the coder
//	uint64  number of the block
//	uint64  16 times, the bitmap of occupied slots
//	uint64  the codes of occupied slots, in the order of slots
//	uint32  CRC-32C of all that
const (
	blockVersion = 1
	blockHeader  = 1 + 2 + 8 + 8 + BlockUnits/8
)

// AppendBlock appends the packed form of a block, nil being an empty one, under its
// number. It takes 151 bytes and those of the codes.
func (c *Coder) AppendBlock(dst []byte, number int, b *Block) []byte {
	if b != nil && b.words != c.words {
		panic(fmt.Sprintf("vectorindex: a block of %d words for a coder of %d", b.words, c.words))
	}
	start := len(dst)
	dst = append(dst, blockVersion)
	dst = binary.LittleEndian.AppendUint16(dst, uint16(c.words))
	dst = binary.LittleEndian.AppendUint64(dst, c.identity)
	dst = binary.LittleEndian.AppendUint64(dst, uint64(number))
	for _, w := range b.Occupied() {
		dst = binary.LittleEndian.AppendUint64(dst, w)
	}
	if b != nil {
		for _, w := range b.codes {
			dst = binary.LittleEndian.AppendUint64(dst, w)
		}
	}
	return appendChecksum(dst, start)
}

// ParseBlock reads what [Coder.AppendBlock] wrote for the block of that number. The
// error is [ErrOtherCoder] for the codes of another coder and [ErrDamaged] for
// anything else, the block of another number included. The block shares nothing with
// data.
func (c *Coder) ParseBlock(data []byte, number int) (*Block, error) {
	fields, err := verifyChecksum(data)
	if err != nil {
		return nil, err
	}
	if len(fields) < blockHeader || fields[0] != blockVersion {
		return nil, fmt.Errorf("%w: not a block of version %d", ErrDamaged, blockVersion)
	}
	words := int(binary.LittleEndian.Uint16(fields[1:]))
	identity := binary.LittleEndian.Uint64(fields[3:])
	if words != c.words || identity != c.identity {
		return nil, fmt.Errorf("%w: identity %016x, want %016x", ErrOtherCoder, identity, c.identity)
	}
	if n := binary.LittleEndian.Uint64(fields[11:]); n != uint64(number) {
		return nil, fmt.Errorf("%w: block %d in the place of %d", ErrDamaged, n, number)
	}
	b := NewBlock(words)
	for i := range b.occupied {
		b.occupied[i] = binary.LittleEndian.Uint64(fields[19+8*i:])
	}
	n := b.occupied.Count() * words
	fields = fields[blockHeader:]
	if len(fields) != 8*n {
		return nil, fmt.Errorf("%w: %d bytes of codes, want %d", ErrDamaged, len(fields), 8*n)
	}
	b.codes = make([]uint64, n)
	for i := range b.codes {
		b.codes[i] = binary.LittleEndian.Uint64(fields[8*i:])
	}
	return b, nil
}
