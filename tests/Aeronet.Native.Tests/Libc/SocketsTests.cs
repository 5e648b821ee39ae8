using System;
using System.IO;
using System.Net;
using System.Net.Sockets;
using Aeronet.Native.Libc;
using Xunit;
using static Aeronet.Native.Tests.Libc.TcpPair;
using NativeSockets = Aeronet.Native.Libc.Sockets;

namespace Aeronet.Native.Tests.Libc;

public sealed class SocketsTests
{
    [Fact]
    [Trait("Defect", "LOOP-13")]
    public void Listeners_and_accepted_sockets_are_non_blocking_and_closed_in_child_processes()
    {
        using TcpPair pair = new();
        foreach (int fd in new[] { pair.Listener, pair.Server })
        {
            Ok(Descriptors.GetFlags(fd, out bool isNonBlocking, out bool isCloseOnExec));
            Assert.True(isNonBlocking);
            Assert.True(isCloseOnExec);
        }
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Accepted_sockets_inherit_no_delay_from_the_listener(bool noDelay)
    {
        using TcpPair pair = new(noDelay);
        Assert.Equal(noDelay, Ok(NativeSockets.GetNoDelay(pair.Server)) != 0);
    }

    [Fact]
    public void Accept_tells_the_peers_address()
    {
        using TcpPair pair = new();
        Ok(NativeSockets.GetLocalName(pair.Client, out SockAddr client));
        Ok(NativeSockets.GetPeerName(pair.Server, out SockAddr peer));
        Assert.Equal(client.ToEndPoint(), pair.Peer.ToEndPoint());
        Assert.Equal(client.ToEndPoint(), peer.ToEndPoint());
    }

    [Fact]
    public void Disconnect_resets_the_peer_and_keeps_the_descriptor()
    {
        using TcpPair pair = new();
        Ok(NativeSockets.Disconnect(pair.Server));
        EpollEvents events = WaitFor(pair.Client, EpollEvents.In);
        Assert.True(events.HasFlag(EpollEvents.Error));
        Assert.Equal(Errno.ECONNRESET, SocketIo.Receive(pair.Client, new byte[1]).Errno);
        Assert.Equal(Errno.ECONNRESET, SocketIo.Receive(pair.Server, new byte[1]).Errno); // once, it was pending
        Assert.Equal(Errno.ENOTCONN, SocketIo.Receive(pair.Server, new byte[1]).Errno);
        Assert.Equal(Errno.EPIPE, SocketIo.Send(pair.Server, "x"u8).Errno);
        Ok(Descriptors.GetFlags(pair.Server, out _, out _));
    }

    [Fact]
    public void A_full_socket_is_not_writable()
    {
        using TcpPair pair = new();
        Assert.Equal(1, Ok(NativeSockets.IsWritable(pair.Server)));
        byte[] bytes = new byte[64 * 1024];
        while (SocketIo.Send(pair.Server, bytes).IsOk)
        {
        }

        Assert.Equal(0, Ok(NativeSockets.IsWritable(pair.Server)));
    }

    [Fact]
    public void A_close_that_resets_drops_what_is_unread_and_says_so()
    {
        using TcpPair pair = new();
        Ok(NativeSockets.SetResetOnClose(pair.Server));
        pair.CloseServer();
        WaitFor(pair.Client, EpollEvents.In);
        Assert.Equal(Errno.ECONNRESET, SocketIo.Receive(pair.Client, new byte[1]).Errno);
    }

    [Fact]
    public void Kernel_TLS_is_refused_by_its_absence_or_takes_a_key()
    {
        using TcpPair pair = new();
        byte[] key = new byte[KernelTlsKey.Aes128Length];
        key[0] = 4; // TLS 1.3, little endian
        key[1] = 3;
        key[2] = KernelTlsKey.Aes128Gcm;
        SysResult result = KernelTlsSocket.SetSendKey(pair.Server, key);
        if (!KernelTlsSocket.IsOffered())
        {
            Assert.Contains(result.Errno, (Errno[])[Errno.ENOENT, Errno.ENOPROTOOPT]);
            return;
        }

        Ok(result);
        const byte Alert = 21;
        Assert.Equal(2, Ok(KernelTlsSocket.SendRecord(pair.Server, Alert, [1, 0])));
        byte[] record = new byte[100];
        WaitFor(pair.Client, EpollEvents.In);
        Assert.Equal(5 + 2 + 1 + 16, Ok(SocketIo.Receive(pair.Client, record))); // header, alert, content type, tag
        Assert.Equal([23, 3, 3, 0, 19], record[..5]);
    }

    [Fact]
    public void A_listening_socket_says_so()
    {
        using TcpPair pair = new();
        Assert.Equal(1, Ok(NativeSockets.GetIsListening(pair.Listener)));
        Assert.Equal(0, Ok(NativeSockets.GetIsListening(pair.Server)));
        Assert.Equal(NativeSockets.Stream, Ok(NativeSockets.GetSocketType(pair.Server)));
    }

    [Fact]
    public void A_pending_error_is_read_as_a_value()
    {
        using TcpPair pair = new();
        Ok(NativeSockets.Disconnect(pair.Server));
        WaitFor(pair.Client, EpollEvents.In);
        Assert.Equal((int)Errno.ECONNRESET, Ok(NativeSockets.GetPendingError(pair.Client)));
        Assert.Equal(0, Ok(NativeSockets.GetPendingError(pair.Client)));
    }

    [Fact]
    public void A_bound_address_is_in_use()
    {
        using TcpPair pair = new();
        Ok(NativeSockets.GetLocalName(pair.Listener, out SockAddr bound));
        int second = Ok(NativeSockets.CreateStream(SockAddr.InterNetwork));
        Assert.Equal(Errno.EADDRINUSE, NativeSockets.Bind(second, bound).Errno);
        Ok(Descriptors.Close(second));
    }

    [Theory]
    [InlineData("127.0.0.1", 80)]
    [InlineData("0.0.0.0", 0)]
    [InlineData("::1", 65535)]
    [InlineData("fe80::1%3", 443)]
    [InlineData("::ffff:10.1.2.3", 8080)]
    public void IP_endpoints_survive_the_way_to_the_kernels_layout_and_back(string address, int port)
    {
        IPEndPoint endPoint = new(IPAddress.Parse(address), port);
        Assert.Equal(endPoint, SockAddr.From(endPoint).ToEndPoint());
    }

    [Fact]
    public void Unix_addresses_know_their_file()
    {
        Assert.Equal("/tmp/a b", SockAddr.From(new UnixDomainSocketEndPoint("/tmp/a b")).UnixPath);
        Assert.Null(SockAddr.From(new UnixDomainSocketEndPoint("\0abstract")).UnixPath);
        Assert.Null(SockAddr.From(new IPEndPoint(IPAddress.Loopback, 1)).UnixPath);
    }

    [Fact]
    public void Files_are_identified_without_following_links()
    {
        string folder = Directory.CreateTempSubdirectory("aeronet-files-").FullName;
        string path = Path.Combine(folder, "s");
        int fd = Ok(NativeSockets.CreateStream(SockAddr.Unix));
        Ok(NativeSockets.Bind(fd, SockAddr.From(new UnixDomainSocketEndPoint(path))));
        File.CreateSymbolicLink(path + ".link", path);

        Ok(SocketFiles.Identify(path, out FileIdentity socket));
        Ok(SocketFiles.Identify(path + ".link", out FileIdentity link));
        Assert.True(socket.IsSocket);
        Assert.False(link.IsSocket);
        Assert.NotEqual(socket.Inode, link.Inode);
        Ok(SocketFiles.SetMode(path, 0x1B6)); // octal 666
        Assert.Equal((UnixFileMode)0x1B6, File.GetUnixFileMode(path));
        Ok(SocketFiles.Unlink(path));
        Assert.Equal(Errno.ENOENT, SocketFiles.Identify(path, out _).Errno);
        Ok(Descriptors.Close(fd));
        Directory.Delete(folder, recursive: true);
    }

    [Fact]
    public void The_limit_of_open_files_is_at_least_what_is_open_now()
    {
        Ok(Descriptors.GetOpenFilesLimit(out ulong countMax));
        Assert.True(countMax >= (ulong)Directory.GetFiles("/proc/self/fd").Length);
    }
}
