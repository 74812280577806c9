package testbed

import (
	"errors"

	"noriter.dev/noriter/internal/format"
)

// Version says which nori a testbed is of.
type Version struct {
	Name string `json:"name"`
	// MadeBy made it, Programs brought what runs on its machines, and WrittenBy was the
	// last to change it; empty where one before format numbers did.
	MadeBy    string `json:"madeBy,omitempty"`
	Programs  string `json:"programs,omitempty"`
	WrittenBy string `json:"writtenBy,omitempty"`
	ImageID   string `json:"imageID,omitempty"`
	// Newer says that this nori can't work with it.
	Newer bool `json:"newer,omitempty"`
}

// Versions are those of the testbeds of this home.
func (h Home) Versions() ([]Version, error) {
	names, err := h.Names()
	if err != nil {
		return nil, err
	}
	var all []Version
	for _, name := range names {
		s, err := h.readState(name)
		var newer *format.NewerError
		if err != nil {
			s.MadeBy, s.Nori, s.ImageID = h.salvage(name, "madeBy"), h.salvage(name, "nori"), h.salvage(name, "imageID")
		}
		all = append(all, Version{
			Name: name, MadeBy: s.MadeBy, Programs: s.Programs.Nori, WrittenBy: s.Nori, ImageID: s.ImageID, Newer: errors.As(err, &newer),
		})
	}
	return all, nil
}
