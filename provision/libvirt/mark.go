package libvirt

import (
	"encoding/xml"

	"noriter.dev/noriter/internal/lang"
)

// mark is the element in the metadata of networks and domains that says whose
// they are. Dir is in it because two people on one host may both have a testbed of
// one name.
type mark struct {
	XMLName xml.Name `xml:"https://noriter.dev/xmlns/testbed/1 testbed"`
	Name    string   `xml:"name"`
	Machine string   `xml:"machine,omitempty"`
	Dir     string   `xml:"dir"`
	Address string   `xml:"address,omitempty"`
}

func (m mark) xml() (string, error) {
	b, err := xml.Marshal(m)
	if err != nil {
		return "", lang.Errorf("writing the testbed's mark: %w", "테스트베드 표시 쓰기: %w", err)
	}
	return string(b), nil
}

// marked reads the mark in a piece of metadata; ok is false if it has none.
func marked(metadata string) (m mark, ok bool) {
	err := xml.Unmarshal([]byte("<m>"+metadata+"</m>"), &struct {
		Mark *mark `xml:"https://noriter.dev/xmlns/testbed/1 testbed"`
	}{&m})
	return m, err == nil && m.Name != ""
}

// isMarkedFor says whether a piece of metadata has the mark of this testbed.
func isMarkedFor(metadata, testbed, dir string) bool {
	m, ok := marked(metadata)
	return ok && m.Name == testbed && m.Dir == dir
}

// checkOwner says in words whose a marked thing is; nil means this testbed's.
func (p *Provider) checkOwner(what lang.Text, metadata string) error {
	m, ok := marked(metadata)
	switch {
	case isMarkedFor(metadata, p.tb.Name, p.tb.Dir):
		return nil
	case !ok:
		return lang.Errorf("libvirt has a %s that Noriter did not make: rename it, or give the testbed another name (--name)",
			"libvirt에 Noriter가 만들지 않은 %s이(가) 있습니다: 그 이름을 바꾸거나 테스트베드에 다른 이름을 주세요(--name)", what)
	}
	return lang.Errorf("libvirt has a %s of the testbed in %s: remove that one, or give this testbed another name (--name)",
		"libvirt에 %[2]s에 있는 테스트베드의 %[1]s이(가) 있습니다: 그 테스트베드를 제거하거나 이 테스트베드에 다른 이름을 주세요(--name)", what, m.Dir)
}
