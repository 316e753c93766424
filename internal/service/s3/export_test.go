package s3

import "fmt"

// Parse runs the parsers of what clients send.
func Parse(header, copySource, tags string) {
	if from, n, _, err := span(header, 10); err == nil && (from < 0 || n < 0 || from+n > 10) {
		panic(fmt.Sprintf("span(%q) = %d, %d", header, from, n))
	}
	_, _, _, _ = source(&copySource)
	_, _ = parseTags(&tags)
}
