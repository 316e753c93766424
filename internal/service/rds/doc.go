// Package rds is Amazon RDS for PostgreSQL 15: one database server per instance, in a
// container of its own on an interface of its own.
//
// An instance is a machine (machine.go, drawn in docs/states/rds-instance.md). Its
// data lies in a folder below the data folder, its address belongs to its interface:
// whatever becomes of the container, the next one serves the same data at the same
// name and address. The master password is never stored, only its SCRAM verifier.
//
// Refused, with an error that says so: other engines and versions, final snapshots
// and snapshots of any kind, own parameter and option groups, clusters and replicas,
// changes of identifier or subnet group. Stored and given back only: class, storage
// size and type, encryption, multi-AZ, public accessibility, backup and maintenance
// settings, monitoring.
package rds
