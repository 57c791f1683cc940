package docker

import (
	"io"
	"os"
)

// terminal tells jsonmessage what it writes to.
type terminal struct{ io.Writer }

// FD is the file descriptor, 0 where the writer is no file.
func (t terminal) FD() uintptr {
	if file, ok := t.Writer.(*os.File); ok {
		return file.Fd()
	}
	return 0
}

// IsTerminal tells whether lines may be overwritten.
func (t terminal) IsTerminal() bool {
	file, ok := t.Writer.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
