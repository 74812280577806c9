// Package kvm says whether this host truly runs KVM guests. That /dev/kvm
// opens proves nothing: inside some virtual machines it opens, yet a guest
// hangs at its first instruction. So a guest of a dozen bytes is run to its
// end.
package kvm

import (
	"context"
	"errors"
	"os"
	"runtime"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"noriter.dev/noriter/internal/lang"
)

// Limit is how long the probe's guest may take; a working one takes
// milliseconds.
const Limit = 2 * time.Second

// Probe says where to look. The zero value is this host.
type Probe struct {
	// Device is the KVM device, "/dev/kvm" if empty.
	Device string
	// CPUInfo is the list of CPU flags, "/proc/cpuinfo" if empty.
	CPUInfo string
	// run runs the guest; tests replace it.
	run func(device string) error
}

// Works says whether guests run here with KVM, and why not if they don't.
// It never fails otherwise: a doubt is a no.
func Works(ctx context.Context) (bool, lang.Text) { return Probe{}.Works(ctx) }

// Works is the function of the same name for the places the probe names.
func (p Probe) Works(ctx context.Context) (bool, lang.Text) {
	if p.Device == "" {
		p.Device = "/dev/kvm"
	}
	if p.CPUInfo == "" {
		p.CPUInfo = "/proc/cpuinfo"
	}
	if p.run == nil {
		p.run = runGuest
	}
	f, err := os.OpenFile(p.Device, os.O_RDWR, 0)
	if err != nil {
		switch {
		case errors.Is(err, os.ErrNotExist):
			return false, lang.Textf("%s is not there", "%s 장치가 없습니다", p.Device)
		case errors.Is(err, os.ErrPermission):
			return false, lang.Textf("%s may not be opened by this user", "이 사용자는 %s 장치를 열 수 없습니다", p.Device)
		}
		return false, lang.Textf("%s does not open: %v", "%s 장치가 열리지 않습니다: %v", p.Device, err)
	}
	_ = f.Close()
	if runtime.GOARCH != "amd64" {
		return false, lang.Textf("virtual machines are made for amd64 alone, not for %s", "가상 머신은 amd64용만 있고 %s용은 없습니다", runtime.GOARCH)
	}
	if !hasVirtFlag(p.CPUInfo) {
		return false, lang.Textf("%s opens, but can't run guests: the CPU shows neither vmx nor svm",
			"%s 장치는 열리지만 게스트를 실행할 수 없습니다. CPU에 vmx도 svm도 없습니다", p.Device)
	}
	if err := p.timed(ctx); err != nil {
		return false, lang.Textf("%s opens, but can't run guests: %v", "%s 장치는 열리지만 게스트를 실행할 수 없습니다: %v", p.Device, err)
	}
	return true, lang.Text{EN: "a guest ran to its end", KO: "게스트가 끝까지 실행됐습니다"}
}

// timed runs the guest on a goroutine of its own, because a guest that hangs
// holds its thread until the process ends.
func (p Probe) timed(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, Limit)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- p.run(p.Device) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return lang.Errorf("a guest of four instructions did not end within %s", "명령어 네 개짜리 게스트가 %s 안에 끝나지 않았습니다", Limit)
	}
}

// hasVirtFlag looks for Intel's or AMD's virtualization flag.
func hasVirtFlag(path string) bool {
	data, err := os.ReadFile(path)
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(data)) {
		key, value, ok := strings.Cut(line, ":")
		if !ok || strings.TrimSpace(key) != "flags" {
			continue
		}
		for _, flag := range strings.Fields(value) {
			if flag == "vmx" || flag == "svm" {
				return true
			}
		}
		return false
	}
	return false
}

// The numbers of linux/kvm.h for amd64.
const (
	kvmGetAPIVersion       = 0xAE00
	kvmCreateVM            = 0xAE01
	kvmGetVCPUMmapSize     = 0xAE04
	kvmCreateVCPU          = 0xAE41
	kvmSetUserMemoryRegion = 0x4020AE46
	kvmRun                 = 0xAE80
	kvmGetRegs             = 0x8090AE81
	kvmSetRegs             = 0x4090AE82
	kvmGetSregs            = 0x8138AE83
	kvmSetSregs            = 0x4138AE84
	kvmExitHlt             = 5
	apiVersion             = 12
	sregsSize              = 312
	regsSize               = 144
	exitReasonOffset       = 8
	guestBase              = 0x1000
)

// guest adds two numbers in 16-bit real mode and halts:
//
//	mov ax, 40;  add ax, 2;  hlt
var guest = []byte{0xb8, 40, 0, 0x83, 0xc0, 2, 0xf4}

// runGuest makes a machine of one page and one CPU, runs the guest in it and
// looks at what it left in its register.
func runGuest(device string) error {
	dev, err := unix.Open(device, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return lang.Errorf("open: %w", "열기: %w", err)
	}
	defer func() { _ = unix.Close(dev) }()
	if v, err := ioctl(dev, kvmGetAPIVersion, nil); err != nil || v != apiVersion {
		return lang.Errorf("its interface has version %d, not %d (%v)", "인터페이스 버전이 %d이고 %d이(가) 아닙니다(%v)", v, apiVersion, err)
	}
	vm, err := ioctl(dev, kvmCreateVM, nil)
	if err != nil {
		return lang.Errorf("create a machine: %w", "머신 만들기: %w", err)
	}
	defer func() { _ = unix.Close(vm) }()
	mem, err := unix.Mmap(-1, 0, os.Getpagesize(), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_ANONYMOUS)
	if err != nil {
		return lang.Errorf("memory for the guest: %w", "게스트의 메모리: %w", err)
	}
	defer func() { _ = unix.Munmap(mem) }()
	copy(mem, guest)
	region := struct {
		slot, flags                uint32
		guestAddr, size, hostStart uint64
	}{0, 0, guestBase, uint64(len(mem)), uint64(uintptr(unsafe.Pointer(&mem[0])))}
	if _, err := ioctl(vm, kvmSetUserMemoryRegion, unsafe.Pointer(&region)); err != nil {
		return lang.Errorf("give the guest its memory: %w", "게스트에 메모리 주기: %w", err)
	}
	size, err := ioctl(dev, kvmGetVCPUMmapSize, nil)
	if err != nil {
		return lang.Errorf("size of the CPU's state: %w", "CPU 상태의 크기: %w", err)
	}
	cpu, err := ioctl(vm, kvmCreateVCPU, nil)
	if err != nil {
		return lang.Errorf("create a CPU: %w", "CPU 만들기: %w", err)
	}
	defer func() { _ = unix.Close(cpu) }()
	state, err := unix.Mmap(cpu, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return lang.Errorf("map the CPU's state: %w", "CPU 상태 매핑: %w", err)
	}
	defer func() { _ = unix.Munmap(state) }()
	return runCPU(cpu, state)
}

// runCPU points the CPU at the guest and runs it until it halts.
func runCPU(cpu int, state []byte) error {
	var sregs [sregsSize / 8]uint64
	if _, err := ioctl(cpu, kvmGetSregs, unsafe.Pointer(&sregs)); err != nil {
		return lang.Errorf("read the segment registers: %w", "세그먼트 레지스터 읽기: %w", err)
	}
	// struct kvm_sregs begins with cs: base (64 bits), limit (32), selector (16).
	sregs[0] = 0
	sregs[1] &= 0xffff0000ffffffff
	if _, err := ioctl(cpu, kvmSetSregs, unsafe.Pointer(&sregs)); err != nil {
		return lang.Errorf("set the segment registers: %w", "세그먼트 레지스터 설정: %w", err)
	}
	// struct kvm_regs: 16 general registers from rax on, then rip and rflags.
	var regs [regsSize / 8]uint64
	regs[16], regs[17] = guestBase, 2
	if _, err := ioctl(cpu, kvmSetRegs, unsafe.Pointer(&regs)); err != nil {
		return lang.Errorf("set the registers: %w", "레지스터 설정: %w", err)
	}
	for {
		_, err := ioctl(cpu, kvmRun, nil)
		if errors.Is(err, unix.EINTR) || errors.Is(err, unix.EAGAIN) {
			continue // a signal of the Go runtime's came in between
		}
		if err != nil {
			return lang.Errorf("run it: %w", "실행: %w", err)
		}
		break
	}
	if reason := *(*uint32)(unsafe.Pointer(&state[exitReasonOffset])); reason != kvmExitHlt {
		return lang.Errorf("the guest stopped with reason %d instead of halting", "게스트가 멈춤 명령이 아니라 이유 %d(으)로 멈췄습니다", reason)
	}
	if _, err := ioctl(cpu, kvmGetRegs, unsafe.Pointer(&regs)); err != nil {
		return lang.Errorf("read the registers: %w", "레지스터 읽기: %w", err)
	}
	if regs[0]&0xffff != 42 {
		return lang.Errorf("the guest computed %d instead of 42", "게스트의 계산 결과가 42가 아니라 %d입니다", regs[0]&0xffff)
	}
	return nil
}

func ioctl(fd int, req uintptr, arg unsafe.Pointer) (int, error) {
	r, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), req, uintptr(arg))
	if errno != 0 {
		return -1, errno
	}
	return int(r), nil
}
