// Package onnx reads nets from ONNX files and writes them.
//
// Read proto.go (what a file holds), decode.go and encode.go (the file as bytes), then import.go.
package onnx
