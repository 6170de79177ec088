package lab

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// network is a bridge on this machine that belongs to one lab: its name holds the lab's number, and the kernel keeps
// the lab's folder beside it.
type network struct {
	bridge  string
	gateway net.IP // the bridge's address: this machine, as seen from what is on the bridge
	subnet  net.IPNet
}

const aliasMax = 255 // of IFALIASZ, linux/if.h

// networks of the lab with that number: the pods', and that of Docker's build steps.
func networks(number int) (pods, docker network) {
	at := func(bridge string, second byte) network {
		return network{
			bridge: bridge, gateway: net.IPv4(10, second, byte(number), 1).To4(),
			subnet: net.IPNet{IP: net.IPv4(10, second, byte(number), 0).To4(), Mask: net.CIDRMask(24, 32)},
		}
	}
	return at(fmt.Sprintf("planlab%d", number), 88), at(fmt.Sprintf("planlab%dd", number), 89)
}

// network makes the lab's bridges, choosing its number first if it has none or another has taken it, and keeps the
// number. Bridges that labs have left, which ended without being stopped, are taken away.
func (f folder) network(ctx context.Context, s *settings) error {
	f.sweep(ctx)
	if s.Number != 0 && f.makeBridges(s.Number, s.inPods()) == nil {
		return nil
	}
	first := mathrand.IntN(254)
	var last error
	for i := range 254 {
		n := 1 + (first+i)%254
		if err := f.makeBridges(n, s.inPods()); err != nil {
			last = err
			continue
		}
		s.Number = n
		if err := f.stop(ctx, "git"); err != nil { // its address is another one now
			return err
		}
		return wrap(writeJSON(f.settingsFile(), s), "keep the lab's settings")
	}
	return fmt.Errorf("make a bridge for the node: %w", last)
}

// makeBridges makes both; that of the pods has one more address, at which they reach the lab's servers.
func (f folder) makeBridges(number int, servers net.IP) error {
	pods, docker := networks(number)
	for _, n := range []network{pods, docker} {
		if err := n.make(f.dir); err != nil {
			return err
		}
	}
	return wrap(pods.add(servers), "give bridge %s the address %s", pods.bridge, servers)
}

// removeBridges takes the bridges of that number away, as far as they are this lab's.
func (f folder) removeBridges(number int) error {
	pods, docker := networks(number)
	var errs []error
	for _, n := range []network{pods, docker} {
		if n.owner() == alias(f.dir) {
			errs = append(errs, wrap(n.remove(), "remove bridge %s", n.bridge))
		}
	}
	return errors.Join(errs...)
}

// sweep removes the bridges and control groups of labs that were not stopped and have ended. What is in use stays: the
// kernel holds a lab's processes, and its lock while it starts or stops.
func (f folder) sweep(ctx context.Context) {
	names, _ := filepath.Glob("/sys/class/net/planlab*")
	for _, name := range names {
		m := regexp.MustCompile(`^planlab(\d+)d?$`).FindStringSubmatch(filepath.Base(name))
		if m == nil {
			continue
		}
		dir := network{bridge: filepath.Base(name)}.owner()
		if dir == alias(f.dir) || len(dir) == aliasMax || !filepath.IsAbs(dir) { // ours, cut off, or nobody's
			continue
		}
		other := folder{dir: dir}
		if _, err := os.Stat(dir); err == nil {
			unlock, ok := tryLock(other.path("lock"))
			if !ok {
				continue
			}
			defer unlock()
			if _, err := other.nodePID(); err == nil {
				continue
			}
		}
		if number, err := strconv.Atoi(m[1]); err == nil {
			_ = errors.Join(other.removeBridges(number), removeCgroups(ctx, number)) // what stays is not in this lab's way
		}
	}
}

// owner is what alias made of the folder of the lab that the bridge belongs to.
func (n network) owner() string {
	b, _ := os.ReadFile(filepath.Join("/sys/class/net", n.bridge, "ifalias")) // without the bridge: nobody
	return strings.TrimSpace(string(b))
}

func alias(dir string) string { return dir[:min(len(dir), aliasMax)] }

// make makes the bridge for the lab in a folder, unless it is there.
func (n network) make(dir string) error {
	switch n.owner() {
	case alias(dir):
		return nil
	case "":
	default:
		return fmt.Errorf("bridge %s belongs to the lab in %s", n.bridge, n.owner())
	}
	if err := n.unused(); err != nil {
		return err
	}
	if err := onSocket(func(fd int) error { return ioctlName(fd, unix.SIOCBRADDBR, n.bridge) }); err != nil {
		return fmt.Errorf("make bridge %s: %w", n.bridge, err)
	}
	err := os.WriteFile(filepath.Join("/sys/class/net", n.bridge, "ifalias"), []byte(alias(dir)), 0)
	if err == nil {
		err = onSocket(n.setUp)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("set up bridge %s: %w", n.bridge, err), n.remove())
	}
	return nil
}

// unused is an error when this machine already has an address or a near network there.
func (n network) unused() error {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return fmt.Errorf("read this machine's addresses: %w", err)
	}
	for _, a := range addrs {
		other, ok := a.(*net.IPNet)
		if !ok {
			continue
		}
		if ones, _ := other.Mask.Size(); n.subnet.Contains(other.IP) || ones >= 16 && other.Contains(n.gateway) {
			return fmt.Errorf("%s is in use: this machine has %s", &n.subnet, other)
		}
	}
	return nil
}

func (n network) setUp(fd int) error {
	if err := n.hardware(fd); err != nil {
		return err
	}
	for _, set := range []struct {
		request uint
		address net.IP
	}{{unix.SIOCSIFADDR, n.gateway}, {unix.SIOCSIFNETMASK, net.IP(n.subnet.Mask)}} {
		r, err := unix.NewIfreq(n.bridge)
		if err != nil {
			return err
		}
		if err := r.SetInet4Addr(set.address); err != nil {
			return err
		}
		if err := unix.IoctlIfreq(fd, set.request, r); err != nil {
			return err
		}
	}
	return n.flag(fd, unix.IFF_UP)
}

// hardware gives the bridge a hardware address of its own (SIOCSIFHWADDR, netdevice(7)). Without one it has that of one of its ports, another
// whenever a pod comes or goes, and what other pods send goes astray until they ask anew.
func (n network) hardware(fd int) error {
	var request struct {
		name   [unix.IFNAMSIZ]byte
		family uint16
		data   [22]byte
	}
	copy(request.name[:unix.IFNAMSIZ-1], n.bridge)
	request.family = unix.ARPHRD_ETHER
	copy(request.data[:], append([]byte{2, 0}, n.gateway...)) // locally administered
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCSIFHWADDR, uintptr(unsafe.Pointer(&request))); errno != 0 {
		return errno
	}
	return nil
}

// add gives the bridge one more address, which has no network around it (RTM_NEWADDR, rtnetlink(7)): SIOCSIFADDR would send all of 10.0.0.0/8
// to the bridge until the mask is set.
func (n network) add(address net.IP) error {
	bridge, err := net.InterfaceByName(n.bridge)
	if err != nil {
		return err
	}
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err := unix.Sendto(fd, newAddress(bridge.Index, address), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return err
	}
	answer := make([]byte, 4096)
	size, _, err := unix.Recvfrom(fd, answer, 0)
	if err != nil {
		return err
	}
	const code = unix.SizeofNlMsghdr // where the error's number is, negative
	if size < code+4 {
		return fmt.Errorf("the kernel's answer has %d bytes", size)
	}
	if errno := unix.Errno(-int32(binary.NativeEndian.Uint32(answer[code:]))); errno != 0 && errno != unix.EEXIST {
		return errno
	}
	return nil
}

// newAddress is the message that asks the kernel for it.
func newAddress(index int, address net.IP) []byte {
	const size = unix.SizeofNlMsghdr + unix.SizeofIfAddrmsg + 2*(unix.SizeofRtAttr+net.IPv4len)
	order, b := binary.NativeEndian, make([]byte, 0, size)
	b = order.AppendUint32(b, size)
	b = order.AppendUint16(b, unix.RTM_NEWADDR)
	b = order.AppendUint16(b, unix.NLM_F_REQUEST|unix.NLM_F_ACK|unix.NLM_F_CREATE|unix.NLM_F_EXCL)
	b = append(b, make([]byte, 8)...)                          // sequence and port
	b = append(b, unix.AF_INET, 32, 0, unix.RT_SCOPE_UNIVERSE) // of 32 bits, without flags
	b = order.AppendUint32(b, uint32(index))
	for _, kind := range []uint16{unix.IFA_LOCAL, unix.IFA_ADDRESS} {
		b = order.AppendUint16(b, unix.SizeofRtAttr+net.IPv4len)
		b = order.AppendUint16(b, kind)
		b = append(b, address.To4()...)
	}
	return b
}

func (n network) flag(fd int, flags uint16) error {
	r, err := unix.NewIfreq(n.bridge)
	if err != nil {
		return err
	}
	r.SetUint16(flags)
	return unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, r)
}

func (n network) remove() error {
	return onSocket(func(fd int) error {
		if err := n.flag(fd, 0); err != nil { // the kernel keeps a bridge that is up
			return err
		}
		return ioctlName(fd, unix.SIOCBRDELBR, n.bridge)
	})
}

// onSocket calls do with a socket, through which the kernel takes orders about interfaces.
func onSocket(do func(fd int) error) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return do(fd)
}

func ioctlName(fd int, request uintptr, name string) error {
	b := append([]byte(name), 0)
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), request, uintptr(unsafe.Pointer(&b[0]))); errno != 0 {
		return errno
	}
	return nil
}
