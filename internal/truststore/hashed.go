package truststore

import (
	"crypto/sha1"
	"encoding/asn1"
	"encoding/binary"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
)

// HashedFolder is where OpenSSL looks a certificate up by its subject, below an
// image's root: what is linked with Debian's reads it besides or instead of the bundle.
const HashedFolder = "etc/ssl/certs"

// Hashed gives the files for OpenSSL's folder, by name without the number that tells
// files of one hash apart. What has no subject that can be read has no file: OpenSSL
// could not look it up.
func Hashed(certificates []byte) map[string][]byte {
	files := map[string][]byte{}
	for _, c := range split(certificates) {
		name, err := hashOf(c)
		if err != nil {
			continue
		}
		files[name] = append(files[name], c...)
	}
	for name, body := range files {
		files[name] = Add(nil, body)
	}
	return files
}

// hashOf is the name of a certificate's file. It reads no more than it must: hosts
// trust certificates that crypto/x509 refuses.
func hashOf(certificate []byte) (string, error) {
	block, _ := pem.Decode(certificate)
	var parts, fields []asn1.RawValue
	if _, err := asn1.Unmarshal(block.Bytes, &parts); err != nil {
		return "", err
	}
	if len(parts) == 0 {
		return "", errNoSubject
	}
	if _, err := asn1.Unmarshal(parts[0].FullBytes, &fields); err != nil {
		return "", err
	}
	if len(fields) > 0 && fields[0].Class == asn1.ClassContextSpecific { // the version, which the first one lacks
		fields = fields[1:]
	}
	if len(fields) < 5 { // serial number, algorithm, issuer, validity, subject
		return "", errNoSubject
	}
	return subjectHash(fields[4].FullBytes)
}

var errNoSubject = errors.New("the certificate has no subject")

type attribute struct {
	Type  asn1.ObjectIdentifier
	Value asn1.RawValue
}

// subjectHash is what `openssl x509 -subject_hash` prints: the first four bytes of
// the SHA-1 of the name in a canonical form (X509_NAME_hash).
func subjectHash(subject []byte) (string, error) {
	var sets []asn1.RawValue
	if _, err := asn1.Unmarshal(subject, &sets); err != nil {
		return "", err
	}
	h := sha1.New()
	for _, set := range sets {
		var attributes []attribute
		if _, err := asn1.UnmarshalWithParams(set.FullBytes, &attributes, "set"); err != nil {
			return "", err
		}
		for i := range attributes {
			attributes[i].Value = canonical(attributes[i].Value)
		}
		b, err := asn1.MarshalWithParams(attributes, "set")
		if err != nil {
			return "", err
		}
		h.Write(b)
	}
	return fmt.Sprintf("%08x", binary.LittleEndian.Uint32(h.Sum(nil))), nil
}

// canonical is a string in lower case (of ASCII) with single spaces, as UTF-8; other
// values stay as they are.
func canonical(v asn1.RawValue) asn1.RawValue {
	var text string
	if _, err := asn1.Unmarshal(v.FullBytes, &text); err != nil {
		return v
	}
	text = strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, text)
	text = strings.Join(strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(" \t\n\v\f\r", r) }), " ")
	return asn1.RawValue{Class: asn1.ClassUniversal, Tag: asn1.TagUTF8String, Bytes: []byte(text)}
}
