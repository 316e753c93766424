// Package codecommit is AWS CodeCommit: repositories, branches, commits and files,
// and who may speak Git with a repository. Bare repositories lie in git.Store; the
// row of a repository says that it exists and which references it had when its
// facts were last told. After every push, and at start, the row is brought up to
// what Git has: each difference becomes one "CodeCommit Repository State Change"
// in the same commit, so that no push is forgotten, whatever crashes between.
//
// Pull requests, approval rules, triggers and comments are refused.
package codecommit
