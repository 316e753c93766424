package secretsmanager

import (
	"context"
	"crypto/rand"
	"math/big"
	"strings"

	api "github.com/penstock-ci/penstock/api/secretsmanager"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"
)

const (
	lowercase   = "abcdefghijklmnopqrstuvwxyz"
	uppercase   = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	digits      = "0123456789"
	punctuation = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"

	passwordLength = 32
)

func (s *Service) getRandomPassword(_ context.Context, _ store.Reader, _ op.Caller, in *api.GetRandomPasswordInput) (*api.GetRandomPasswordOutput, error) {
	var classes []string
	for _, class := range []struct {
		leftOut *bool
		letters string
	}{{in.ExcludeLowercase, lowercase}, {in.ExcludeUppercase, uppercase}, {in.ExcludeNumbers, digits}, {in.ExcludePunctuation, punctuation}, {new(!op.Val(in.IncludeSpace)), " "}} {
		letters := strings.Map(func(r rune) rune {
			if strings.ContainsRune(op.Val(in.ExcludeCharacters), r) {
				return -1
			}
			return r
		}, class.letters)
		if !op.Val(class.leftOut) && letters != "" {
			classes = append(classes, letters)
		}
	}
	length := int(op.Or(in.PasswordLength, passwordLength))
	all := strings.Join(classes, "")
	each := op.Or(in.RequireEachIncludedType, true)
	switch {
	case all == "":
		return nil, api.InvalidParameterException("The password can't be generated because all characters are excluded.")
	case each && length < len(classes):
		return nil, api.InvalidParameterException("The password length is too short based on the required types.")
	}
	out := make([]byte, 0, length)
	if each {
		for _, letters := range classes {
			out = append(out, pick(letters))
		}
	}
	for len(out) < length {
		out = append(out, pick(all))
	}
	for i := len(out) - 1; i > 0; i-- { // the required ones must not stand in front
		j := below(i + 1)
		out[i], out[j] = out[j], out[i]
	}
	return &api.GetRandomPasswordOutput{RandomPassword: new(string(out))}, nil
}

func pick(letters string) byte { return letters[below(len(letters))] }

// below is uniform in [0, n).
func below(n int) int {
	v, err := rand.Int(rand.Reader, big.NewInt(int64(n)))
	if err != nil {
		panic(err) // crypto/rand does not fail
	}
	return int(v.Int64())
}
