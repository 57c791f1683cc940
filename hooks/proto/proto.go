// Package proto is the wire between Refit and a hook plugin: hooks.proto, and the
// code that protoc makes of it. It holds no behaviour, and nothing else.
//
// To make the code anew: make proto. It needs protoc (Debian's protobuf-compiler).
package proto
