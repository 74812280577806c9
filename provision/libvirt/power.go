package libvirt

import (
	"context"

	golibvirt "github.com/digitalocean/go-libvirt"

	"noriter.dev/noriter/internal/lang"
)

// domainState gives libvirt's word for where a domain is in its life.
func domainState(ctx context.Context, c *conn, dom golibvirt.Domain) (golibvirt.DomainState, error) {
	s, err := stateAndReason(ctx, c, dom)
	return s.state, err
}

// lifeState is where a domain is in its life, and why, in libvirt's numbers.
type lifeState struct {
	state  golibvirt.DomainState
	reason int32
}

func stateAndReason(ctx context.Context, c *conn, dom golibvirt.Domain) (lifeState, error) {
	return ask(ctx, c, lang.Textf("reading the state of %s", "%s의 상태 확인", dom.Name), func(lv *golibvirt.Libvirt) (lifeState, error) {
		s, why, err := lv.DomainGetState(dom, 0)
		return lifeState{golibvirt.DomainState(s), why}, err
	})
}

// reasons are why a domain is not running, as far as libvirt says more than that.
var reasons = map[lifeState]lang.Text{
	{golibvirt.DomainShutoff, int32(golibvirt.DomainShutoffShutdown)}:   {EN: "powered off by itself", KO: "스스로 전원을 끔"},
	{golibvirt.DomainShutoff, int32(golibvirt.DomainShutoffDestroyed)}:  {EN: "switched off", KO: "전원이 꺼짐"},
	{golibvirt.DomainShutoff, int32(golibvirt.DomainShutoffCrashed)}:    {EN: "its QEMU ended", KO: "QEMU가 끝남"},
	{golibvirt.DomainShutoff, int32(golibvirt.DomainShutoffFailed)}:     {EN: "its QEMU could not be started", KO: "QEMU를 시작하지 못함"},
	{golibvirt.DomainShutoff, int32(golibvirt.DomainShutoffDaemon)}:     {EN: "its QEMU ended while nobody looked", KO: "보는 이가 없는 사이에 QEMU가 끝남"},
	{golibvirt.DomainPaused, int32(golibvirt.DomainPausedUser)}:         {EN: "it was paused, or a snapshot or a reset was interrupted", KO: "일시 정지시켰거나, 스냅샷 저장 또는 되돌리기가 중단되었습니다"},
	{golibvirt.DomainPaused, int32(golibvirt.DomainPausedIoerror)}:      {EN: "its disk could not be written; this host's disk may be full: see `df -h`", KO: "디스크에 쓰지 못했습니다. 이 호스트의 디스크가 가득 찼을 수 있습니다. `df -h`로 확인하세요"},
	{golibvirt.DomainPaused, int32(golibvirt.DomainPausedSnapshot)}:     {EN: "a snapshot is being saved, or was interrupted", KO: "스냅샷을 저장하는 중이거나, 저장이 중단되었습니다"},
	{golibvirt.DomainPaused, int32(golibvirt.DomainPausedFromSnapshot)}: {EN: "a reset was interrupted", KO: "되돌리기가 중단되었습니다"},
	{golibvirt.DomainPaused, int32(golibvirt.DomainPausedStartingUp)}:   {EN: "it is being started", KO: "켜는 중입니다"},
	{golibvirt.DomainPaused, int32(golibvirt.DomainPausedCrashed)}:      {EN: "its kernel crashed", KO: "커널이 멈췄습니다"},
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
	return p.start(ctx, c, dom, 0)
}

func (p *Provider) start(ctx context.Context, c *conn, dom golibvirt.Domain, flags golibvirt.DomainCreateFlags) error {
	if p.daemon != nil {
		x, err := readDomain(ctx, c, dom)
		if err != nil {
			return err
		}
		files := filesOf(x)
		if err := p.daemon.give(files); err != nil {
			return err
		}
		if err := p.daemon.lend(ctx, files.shared...); err != nil {
			return err
		}
	}
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
func (p *Provider) pauseFromAnyState(ctx context.Context, c *conn, dom golibvirt.Domain) error {
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
	return p.start(ctx, c, dom, golibvirt.DomainStartPaused)
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
