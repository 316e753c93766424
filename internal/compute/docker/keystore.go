package docker

import (
	"crypto/sha1"
	"encoding/binary"
	"encoding/pem"
	"fmt"
	"time"
	"unicode/utf16"
)

// pemBlocks are the certificates of body, each encoded anew.
func pemBlocks(body []byte) [][]byte {
	var out [][]byte
	for {
		var block *pem.Block
		if block, body = pem.Decode(body); block == nil {
			return out
		}
		if block.Type == "CERTIFICATE" || block.Type == "TRUSTED CERTIFICATE" {
			out = append(out, pem.EncodeToMemory(&pem.Block{Type: block.Type, Bytes: block.Bytes}))
		}
	}
}

// javaKeystore is a JKS file of the certificates of a PEM bundle, with Java's
// customary password; every Java release reads it, whatever its own default form.
func javaKeystore(bundle []byte) []byte {
	blocks := pemBlocks(bundle)
	var out []byte
	out = binary.BigEndian.AppendUint32(out, 0xfeedfeed)
	out = binary.BigEndian.AppendUint32(out, 2)
	out = binary.BigEndian.AppendUint32(out, uint32(len(blocks)))
	text := func(s string) {
		out = binary.BigEndian.AppendUint16(out, uint16(len(s)))
		out = append(out, s...)
	}
	for i, b := range blocks {
		block, _ := pem.Decode(b)
		out = binary.BigEndian.AppendUint32(out, 2) // a trusted certificate
		text(fmt.Sprintf("authority-%d", i))
		out = binary.BigEndian.AppendUint64(out, uint64(time.Unix(0, 0).UnixMilli()))
		text("X.509")
		out = binary.BigEndian.AppendUint32(out, uint32(len(block.Bytes)))
		out = append(out, block.Bytes...)
	}
	h := sha1.New()
	for _, u := range utf16.Encode([]rune("changeit")) {
		h.Write(binary.BigEndian.AppendUint16(nil, u))
	}
	h.Write([]byte("Mighty Aphrodite"))
	h.Write(out)
	return h.Sum(out)
}
