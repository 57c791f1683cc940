package docker

import (
	"strings"

	"github.com/refit-dev/refit/core"
)

// differs returns the platform of an image where it is not the engine's own, else
// the zero value. Engines do not tell their variant, so an image that differs
// in that alone counts as the engine's own.
func (v version) differs(os, arch, variant string) core.Platform {
	if os == "" || arch == "" || os == v.OS && arch == v.Arch {
		return core.Platform{}
	}
	return core.Platform{OS: os, Architecture: arch, Variant: variant}
}

// platformText is how the engine wants it: "linux/arm64/v8".
func platformText(p core.Platform) string {
	return strings.TrimSuffix(p.OS+"/"+p.Architecture+"/"+p.Variant, "/")
}
