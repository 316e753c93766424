package truststore

import (
	"crypto/sha1"
	"encoding/binary"
	"encoding/pem"
	"fmt"
	"time"
	"unicode/utf16"
)

// Java is a key store (JKS) of a bundle's certificates, with Java's customary
// password "changeit"; every Java release reads it, whatever its own default form.
func Java(bundle []byte) []byte {
	certificates := split(bundle)
	var out []byte
	out = binary.BigEndian.AppendUint32(out, 0xfeedfeed)
	out = binary.BigEndian.AppendUint32(out, 2)
	out = binary.BigEndian.AppendUint32(out, uint32(len(certificates)))
	text := func(s string) {
		out = binary.BigEndian.AppendUint16(out, uint16(len(s)))
		out = append(out, s...)
	}
	for i, c := range certificates {
		block, _ := pem.Decode(c)
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
