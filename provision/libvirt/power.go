package libvirt

import (
	"context"

	golibvirt "github.com/digitalocean/go-libvirt"

	"noriter.dev/noriter/internal/lang"
)

// domainState gives libvirt's word for where a domain is in its life.
func domainState(ctx context.Context, c *conn, dom golibvirt.Domain) (golibvirt.DomainState, error) {
	return ask(ctx, c, lang.Textf("reading the state of %s", "%s의 상태 확인", dom.Name), func(lv *golibvirt.Libvirt) (golibvirt.DomainState, error) {
		s, _, err := lv.DomainGetState(dom, 0)
		return golibvirt.DomainState(s), err
	})
}

// run brings a domain to running, from wherever it is.
func (p *Provider) run(ctx context.Context, c *conn, dom golibvirt.Domain) error {
	state, err := domainState(ctx, c, dom)
	if err != nil {
		return err
	}
	switch state {
	case golibvirt.DomainRunning, golibvirt.DomainBlocked:
		return nil
	case golibvirt.DomainPaused, golibvirt.DomainPmsuspended:
		return resume(ctx, c, dom)
	case golibvirt.DomainShutdown, golibvirt.DomainCrashed:
		if err := destroy(ctx, c, dom); err != nil {
			return err
		}
	}
	return start(ctx, c, dom, 0)
}

func start(ctx context.Context, c *conn, dom golibvirt.Domain, flags golibvirt.DomainCreateFlags) error {
	_, err := ask(ctx, c, lang.Textf("starting %s", "%s 시작", dom.Name), func(lv *golibvirt.Libvirt) (golibvirt.Domain, error) {
		return lv.DomainCreateWithFlags(dom, uint32(flags))
	})
	if err == nil || !isCode(err, golibvirt.ErrOperationInvalid) {
		return hostError(err)
	}
	// It may have been started by another in between.
	if s, serr := domainState(ctx, c, dom); serr == nil && s == golibvirt.DomainRunning {
		return nil
	}
	return hostError(err)
}

// destroy takes the power away; a domain that is off already is fine.
func destroy(ctx context.Context, c *conn, dom golibvirt.Domain) error {
	err := c.call(ctx, lang.Textf("switching off %s", "%s의 전원 끄기", dom.Name), func(lv *golibvirt.Libvirt) error {
		return lv.DomainDestroyFlags(dom, golibvirt.DomainDestroyDefault)
	})
	if isCode(err, golibvirt.ErrOperationInvalid) || isCode(err, golibvirt.ErrNoDomain) {
		return nil
	}
	return err
}

func off(s golibvirt.DomainState) bool {
	return s == golibvirt.DomainShutoff || s == golibvirt.DomainCrashed || s == golibvirt.DomainNostate || s == golibvirt.DomainShutdown
}

// pauseFromAnyState brings a machine to a standstill: one that runs is
// paused, one that is off is started without its CPU, and one whose QEMU does
// not answer is switched off and started so.
func pauseFromAnyState(ctx context.Context, c *conn, dom golibvirt.Domain) error {
	state, err := domainState(ctx, c, dom)
	if err != nil {
		return err
	}
	switch state {
	case golibvirt.DomainPaused:
		return nil
	case golibvirt.DomainRunning, golibvirt.DomainBlocked, golibvirt.DomainPmsuspended:
		err := c.call(ctx, lang.Textf("pausing %s", "%s 일시 정지", dom.Name), func(lv *golibvirt.Libvirt) error { return lv.DomainSuspend(dom) })
		if err == nil || !c.alive() {
			return err
		}
		if now, serr := domainState(ctx, c, dom); serr == nil && now == golibvirt.DomainPaused {
			return nil
		}
	}
	if err := destroy(ctx, c, dom); err != nil {
		return err
	}
	return start(ctx, c, dom, golibvirt.DomainStartPaused)
}

// resume lets a paused machine run on. After a load libvirt may not know that
// QEMU stands still, so QEMU itself is asked.
func resume(ctx context.Context, c *conn, dom golibvirt.Domain) error {
	err := c.call(ctx, lang.Textf("resuming %s", "%s 다시 실행", dom.Name), func(lv *golibvirt.Libvirt) error { return lv.DomainResume(dom) })
	if err != nil && !isCode(err, golibvirt.ErrOperationInvalid) {
		return err
	}
	var status struct {
		Running bool `json:"running"`
	}
	if err := c.qmp(ctx, dom, "query-status", nil, &status); err != nil {
		return err
	}
	if status.Running {
		return nil
	}
	return c.qmp(ctx, dom, "cont", nil, nil)
}
