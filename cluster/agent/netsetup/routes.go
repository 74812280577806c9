package netsetup

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
	"noriter.dev/noriter/cluster/trace"
)

// Protocol marks the routes that are ours ("ip route show proto 78"), so that no
// others are ever touched. The number is free in /etc/iproute2/rt_protos.
const Protocol = 78

// route is one route of ours. Without a gateway it says that there is nobody: what
// no pod's own route leads to is answered so at once, rather than sent away by the
// default route.
type route struct {
	to  netip.Prefix
	via netip.Addr
}

// routeTable is the part of the kernel that routes.
type routeTable interface {
	list() ([]route, error)
	set(route) error
	remove(route) error
	// mtu is that of the interface with the default route.
	mtu() (int, error)
}

// routes makes our routes those that the nodes ask for.
func (s *setup) routes(ctx context.Context, all []peer) error {
	have, err := s.cfg.routes.list()
	if err != nil {
		return err
	}
	old := make(map[netip.Prefix]route, len(have))
	for _, r := range have {
		old[r.to] = r
	}
	var errs []error
	for _, p := range all {
		want, ok := s.routeTo(p)
		if !ok {
			continue
		}
		now, there := old[want.to]
		delete(old, want.to)
		if there && now == want {
			continue
		}
		if err := s.cfg.routes.set(want); err != nil {
			errs = append(errs, fmt.Errorf("route to the pods of %s: %w", p.name, err))
			continue
		}
		s.tellRoute(ctx, p, want)
	}
	for _, r := range old {
		if err := s.cfg.routes.remove(r); err != nil {
			errs = append(errs, err)
			continue
		}
		trace.Decide(ctx, trace.Object{Kind: "Node", Name: s.cfg.NodeName}, "route removed",
			"no node has this pod network any more", "network", r.to.String())
	}
	return errors.Join(errs...)
}

// routeTo is the route that a node asks for.
func (s *setup) routeTo(p peer) (route, bool) {
	switch {
	case !p.pods.IsValid():
		return route{}, false
	case p.name == s.cfg.NodeName:
		return route{to: p.pods}, true
	}
	return route{to: p.pods, via: p.ip}, p.ip.IsValid()
}

func (s *setup) tellRoute(ctx context.Context, p peer, r route) {
	if !r.via.IsValid() {
		return
	}
	trace.Decide(ctx, trace.Object{Kind: "Node", Name: p.name}, "route added",
		"its pods are reached by way of its own address", "on", s.cfg.NodeName, "network", r.to.String(), "via", r.via.String())
}

// kernelRoutes is the main table of this network namespace.
type kernelRoutes struct{}

func (kernelRoutes) list() ([]route, error) {
	found, err := netlink.RouteListFiltered(netlink.FAMILY_V4,
		&netlink.Route{Protocol: Protocol, Table: unix.RT_TABLE_MAIN}, netlink.RT_FILTER_PROTOCOL|netlink.RT_FILTER_TABLE)
	if err != nil {
		return nil, fmt.Errorf("listing routes: %w", err)
	}
	var all []route
	for _, r := range found {
		if r.Dst == nil {
			continue
		}
		to, err := netip.ParsePrefix(r.Dst.String())
		if err != nil {
			continue // not a network of IPv4
		}
		via, _ := netip.AddrFromSlice(r.Gw.To4())
		all = append(all, route{to: to, via: via})
	}
	return all, nil
}

func (kernelRoutes) set(r route) error {
	nl := netlink.Route{Dst: ipNet(r.to), Protocol: Protocol, Table: unix.RT_TABLE_MAIN}
	if r.via.IsValid() {
		nl.Gw = r.via.AsSlice()
	} else {
		nl.Type = unix.RTN_UNREACHABLE
	}
	if err := netlink.RouteReplace(&nl); err != nil {
		if errors.Is(err, unix.ENETUNREACH) {
			return fmt.Errorf("%s is not on a network of this machine; nodes must share one: %w", r.via, err)
		}
		return fmt.Errorf("setting %s: %w", r, err)
	}
	return nil
}

func (kernelRoutes) remove(r route) error {
	nl := netlink.Route{Dst: ipNet(r.to), Protocol: Protocol, Table: unix.RT_TABLE_MAIN}
	if !r.via.IsValid() {
		nl.Type = unix.RTN_UNREACHABLE
	}
	if err := netlink.RouteDel(&nl); err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("removing %s: %w", r, err)
	}
	return nil
}

func (kernelRoutes) mtu() (int, error) {
	routes, err := netlink.RouteListFiltered(netlink.FAMILY_V4, &netlink.Route{Table: unix.RT_TABLE_MAIN}, netlink.RT_FILTER_TABLE)
	if err != nil {
		return 0, fmt.Errorf("listing routes: %w", err)
	}
	for _, r := range routes {
		if r.Dst != nil && !r.Dst.IP.IsUnspecified() {
			continue
		}
		link, err := netlink.LinkByIndex(r.LinkIndex)
		if err != nil {
			return 0, fmt.Errorf("looking at the interface of the default route: %w", err)
		}
		return link.Attrs().MTU, nil
	}
	return 0, errors.New("there is no default route")
}

func (r route) String() string {
	var b strings.Builder
	b.WriteString(r.to.String())
	if r.via.IsValid() {
		b.WriteString(" via " + r.via.String())
	} else {
		b.WriteString(" unreachable")
	}
	return b.String()
}
