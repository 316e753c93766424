package model

import (
	"reflect"
	"strings"
)

// Tag is what the struct tags of a generated member say about the wire. The json
// tag is its name in bodies; the aws tag is a comma-separated list of what else
// holds in XML and query protocols:
//
//	header=N  headers=PREFIX  uri=N  query=N  status   where it travels, if not in the body
//	payload                                            it is the whole body
//	flat  item=N  key=N  value=N                       lists and maps: no wrapper, names of items
//	q=N                                                its name in EC2 requests
//	ts=iso8601|rfc822|unixTimestamp                    form of a timestamp
//	attr  ns=PREFIX|URI                                XML attribute, XML namespace
type Tag struct {
	Name                        string
	Header, Headers, URI, Query string
	HasHeaders                  bool
	Status, Payload, Flat, Attr bool
	Item, Key, Value, Q, Time   string
	Prefix, Namespace           string
}

// ParseTag reads a generated member's struct tags.
func ParseTag(t reflect.StructTag) Tag {
	name, _, _ := strings.Cut(t.Get("json"), ",")
	tag := Tag{Name: name}
	aws := t.Get("aws")
	for aws != "" {
		var part string
		part, aws, _ = strings.Cut(aws, ",")
		key, value, _ := strings.Cut(part, "=")
		switch key {
		case "header":
			tag.Header = value
		case "headers":
			tag.Headers, tag.HasHeaders = value, true
		case "uri":
			tag.URI = value
		case "query":
			tag.Query = value
		case "status":
			tag.Status = true
		case "payload":
			tag.Payload = true
		case "flat":
			tag.Flat = true
		case "attr":
			tag.Attr = true
		case "item":
			tag.Item = value
		case "key":
			tag.Key = value
		case "value":
			tag.Value = value
		case "q":
			tag.Q = value
		case "ts":
			tag.Time = value
		case "ns":
			tag.Prefix, tag.Namespace, _ = strings.Cut(value, "|")
		}
	}
	return tag
}

// InBody tells whether the member is part of the body's structure.
func (t Tag) InBody() bool {
	return t.Header == "" && !t.HasHeaders && t.URI == "" && t.Query == "" && !t.Status && !t.Payload
}
