package libvirt

import (
	"encoding/xml"

	golibvirt "github.com/digitalocean/go-libvirt"
	"libvirt.org/go/libvirtxml"
)

func (x *xdr) putBool(v bool) {
	if v {
		x.putInt(1)
	} else {
		x.putInt(0)
	}
}

func unmarshal(text string, v any) error { return xml.Unmarshal([]byte(text), v) }

func (h *fakeHost) poolCall(proc uint32, in, out *xdr) error {
	var name string
	switch proc {
	case procPoolDefine:
		var x libvirtxml.StoragePool
		text := in.string()
		if err := x.Unmarshal(text); err != nil {
			return err
		}
		h.pools[x.Name] = &fakePool{xml: text, volumes: map[string]*fakeVolume{}}
		out.putNamed(x.Name)
		return nil
	case procPoolByName:
		name = in.string()
	default:
		name = in.named()
	}
	p := h.pools[name]
	if p == nil {
		return lvError(golibvirt.ErrNoStoragePool, "no pool %s", name)
	}
	switch proc {
	case procPoolByName:
		out.putNamed(name)
	case procPoolXML:
		out.putString(p.xml)
	case procPoolActive:
		out.putBool(p.active)
	case procPoolBuild:
		p.built = true
	case procPoolCreate:
		if !p.built || p.active {
			return lvError(golibvirt.ErrOperationInvalid, "cannot open directory of pool %s", name)
		}
		p.active = true
	case procPoolRefresh:
		if !p.active {
			return lvError(golibvirt.ErrOperationInvalid, "pool %s is not active", name)
		}
		if h.busy > 0 {
			h.busy--
			return lvError(golibvirt.ErrInternalError, "internal error: pool '%s' has asynchronous jobs running.", name)
		}
	case procPoolDestroy:
		p.active = false
	case procPoolDelete:
		if p.active || len(p.volumes) > 0 {
			return lvError(golibvirt.ErrOperationInvalid, "failed to remove pool %s: not empty", name)
		}
		p.built = false
	case procPoolUndefine:
		if p.active || p.built {
			return lvError(golibvirt.ErrOperationInvalid, "the fake refuses to forget pool %s, whose folder is left", name)
		}
		delete(h.pools, name)
	case procListVolumes:
		out.putInt(uint32(len(p.volumes)))
		for n := range p.volumes {
			out.putVolume(name, n, "/pool/"+name+"/"+n)
		}
		out.putInt(uint32(len(p.volumes)))
	}
	return nil
}

// volume reads a reference to a volume and finds it.
func (h *fakeHost) volume(in *xdr) (*fakeVolume, string, error) {
	pool, name, key := in.string(), in.string(), in.string()
	if p := h.pools[pool]; p != nil && p.volumes[name] != nil {
		return p.volumes[name], key, nil
	}
	return nil, "", lvError(golibvirt.ErrNoStorageVol, "no volume %s in pool %s", name, pool)
}

func (h *fakeHost) volumeCall(proc uint32, in, out *xdr) error {
	switch proc {
	case procVolCreate, procVolByName:
		pool, arg := in.named(), in.string()
		p := h.pools[pool]
		if p == nil {
			return lvError(golibvirt.ErrNoStoragePool, "no pool %s", pool)
		}
		if proc == procVolCreate {
			var x libvirtxml.StorageVolume
			if err := x.Unmarshal(arg); err != nil {
				return err
			}
			if p.volumes[x.Name] != nil {
				return lvError(golibvirt.ErrStorageVolExist, "volume %s exists", x.Name)
			}
			p.volumes[x.Name] = &fakeVolume{xml: arg}
			arg = x.Name
		} else if p.volumes[arg] == nil {
			return lvError(golibvirt.ErrNoStorageVol, "no volume %s", arg)
		}
		out.putVolume(pool, arg, "/pool/"+pool+"/"+arg)
		return nil
	case procVolPath, procVolInfo, procVolDelete:
		peek := *in
		pool := h.pools[peek.string()]
		v, key, err := h.volume(in)
		if err != nil {
			return err
		}
		switch proc {
		case procVolPath:
			out.putString(key)
		case procVolInfo:
			out.putInt(0)
			out.putLong(uint64(len(v.content)))
			out.putLong(uint64(len(v.content)))
		case procVolDelete:
			for n, o := range pool.volumes {
				if o == v {
					delete(pool.volumes, n)
				}
			}
		}
		return nil
	}
	return golibvirt.Error{Code: uint32(golibvirt.ErrNoSupport), Message: "the fake does not know this procedure"}
}
