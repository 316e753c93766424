package model

import (
	"regexp"
	"sync"
)

// Constraints are those of one service's inputs, as data.
type Constraints struct {
	Code   string            // "ValidationException", "InvalidInputException" …; by Style where empty
	Style  Style             //
	Shapes []Shape           // 0 is the shape without constraints; Member, Item, Key, Value are indexes
	Inputs map[string]uint16 // input struct → its shape

	mu       sync.Mutex
	patterns map[uint16]*regexp.Regexp // compiled so far
}

// Style is the manner in which a service words its refusals.
type Style int

// The styles.
const (
	Coral   Style = iota // "1 validation error detected: Value …", most services
	Amazon               // EC2 and RDS: MissingParameter, InvalidParameterValue
	Storage              // S3: MalformedXML, InvalidArgument
)

// Shape is the constraints of one of the model's shapes.
type Shape struct {
	Members          []Member // of a structure: those that need a check
	Item, Key, Value uint16   // of a list, of a map
	Min, Max         int64
	HasMin, HasMax   bool
	Pattern          string // as AWS prints it: a Java pattern
	Go               string // the same for Go's regexp, where it differs; "-" where none can be given
	Enum             []string
	Sensitive        bool // its value is not printed
}

// Member is a member of a structure.
type Member struct {
	Field    string // of the Go struct
	Required bool
	Shape    uint16
}
