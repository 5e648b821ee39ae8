using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.Globalization;
using System.IO;
using System.Text;
using Aeronet.Native.Libc;
using Xunit;

namespace Aeronet.Native.Tests.Libc;

/// <summary>Our numbers against those of the C headers of the machine that runs the tests.</summary>
public sealed class HeaderConstantsTests
{
    private const string Includes = """
        #define _GNU_SOURCE
        #include <stdio.h>
        #include <stddef.h>
        #include <errno.h>
        #include <fcntl.h>
        #include <sys/epoll.h>
        #include <sys/eventfd.h>
        #include <sys/socket.h>
        #include <sys/stat.h>
        #include <sys/resource.h>
        #include <sys/uio.h>
        #include <netinet/in.h>
        #include <netinet/tcp.h>
        #include <poll.h>
        #include <linux/tls.h>

        """;

    [Fact]
    [Trait("Defect", "LOOP-14")]
    [Trait("Defect", "LOOP-19")]
    public void Every_number_equals_that_of_the_C_headers()
    {
        Dictionary<string, long> ours = Ours();
        if (!TryCompileAndRun(Program(ours.Keys), out string output))
        {
            return; // no C compiler here; said on standard output
        }
        List<string> differences = [];
        foreach (string line in output.Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            string[] parts = line.Split('=');
            long theirs = long.Parse(parts[1], CultureInfo.InvariantCulture);
            if (ours[parts[0]] != theirs)
            {
                differences.Add($"{parts[0]} is {theirs}, not {ours[parts[0]]}");
            }
        }
        Assert.Empty(differences);
        Assert.Equal(ours.Count, output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Length);
    }

    private static Dictionary<string, long> Ours()
    {
        Dictionary<string, long> ours = new()
        {
            ["EPOLLIN"] = (uint)EpollEvents.In,
            ["EPOLLOUT"] = (uint)EpollEvents.Out,
            ["EPOLLERR"] = (uint)EpollEvents.Error,
            ["EPOLLHUP"] = (uint)EpollEvents.HangUp,
            ["EPOLLRDHUP"] = (uint)EpollEvents.ReadHangUp,
            ["(unsigned)EPOLLEXCLUSIVE"] = (uint)EpollEvents.Exclusive,
            ["(unsigned)EPOLLET"] = (uint)EpollEvents.EdgeTriggered,
            ["EPOLL_CTL_ADD"] = (int)EpollOperation.Add,
            ["EPOLL_CTL_DEL"] = (int)EpollOperation.Delete,
            ["EPOLL_CTL_MOD"] = (int)EpollOperation.Modify,
            ["EPOLL_CLOEXEC"] = Epoll.CloseOnExec,
            ["sizeof(struct epoll_event)"] = EpollEventBuffer.Stride,
            ["offsetof(struct epoll_event, data)"] = EpollEventBuffer.DataOffset,
            ["EFD_CLOEXEC"] = EventFd.CloseOnExec,
            ["EFD_NONBLOCK"] = EventFd.NonBlocking,
            ["F_GETFD"] = Descriptors.GetDescriptorFlags,
            ["F_SETFD"] = Descriptors.SetDescriptorFlags,
            ["F_GETFL"] = Descriptors.GetStatusFlags,
            ["F_SETFL"] = Descriptors.SetStatusFlags,
            ["FD_CLOEXEC"] = Descriptors.CloseOnExecFlag,
            ["O_NONBLOCK"] = Descriptors.NonBlockingFlag,
            ["RLIMIT_NOFILE"] = Descriptors.OpenFilesLimit,
            ["sizeof(struct rlimit)"] = 2 * sizeof(ulong),
            ["AT_FDCWD"] = SocketFiles.CurrentDirectory,
            ["AT_SYMLINK_NOFOLLOW"] = SocketFiles.DoNotFollow,
            ["STATX_BASIC_STATS"] = SocketFiles.BasicStats,
            ["S_IFMT"] = SocketFiles.TypeMask,
            ["S_IFSOCK"] = SocketFiles.SocketType,
            ["sizeof(struct statx)"] = SocketFiles.StatxSize,
            ["offsetof(struct statx, stx_mode)"] = SocketFiles.StatxMode,
            ["offsetof(struct statx, stx_ino)"] = SocketFiles.StatxInode,
            ["offsetof(struct statx, stx_dev_major)"] = SocketFiles.StatxDeviceMajor,
            ["offsetof(struct statx, stx_dev_minor)"] = SocketFiles.StatxDeviceMinor,
            ["SOCK_STREAM"] = Sockets.Stream,
            ["SOCK_NONBLOCK"] = Sockets.NonBlocking,
            ["SOCK_CLOEXEC"] = Sockets.CloseOnExec,
            ["SOL_SOCKET"] = Sockets.SocketLevel,
            ["SO_REUSEADDR"] = Sockets.ReuseAddress,
            ["SO_REUSEPORT"] = Sockets.ReusePort,
            ["SO_TYPE"] = Sockets.Type,
            ["SO_ERROR"] = Sockets.Error,
            ["SO_ACCEPTCONN"] = Sockets.AcceptConnections,
            ["IPPROTO_TCP"] = Sockets.TcpLevel,
            ["TCP_NODELAY"] = Sockets.NoDelay,
            ["SO_LINGER"] = Sockets.Linger,
            ["POLLOUT"] = Sockets.PollOut,
            ["TCP_ULP"] = KernelTlsSocket.UpperLayerProtocol,
            ["SOL_TLS"] = KernelTlsSocket.TlsLevel,
            ["TLS_TX"] = KernelTlsSocket.SendKey,
            ["TLS_SET_RECORD_TYPE"] = KernelTlsSocket.RecordType,
            ["CMSG_LEN(0)"] = KernelTlsSocket.ControlHeaderLength,
            ["CMSG_LEN(1)"] = KernelTlsSocket.ControlLength,
            ["CMSG_SPACE(1)"] = KernelTlsSocket.ControlSpace,
            ["sizeof(struct tls12_crypto_info_aes_gcm_128)"] = KernelTlsKey.Aes128Length,
            ["sizeof(struct tls12_crypto_info_aes_gcm_256)"] = KernelTlsKey.Aes256Length,
            ["sizeof(struct tls12_crypto_info_aes_ccm_128)"] = KernelTlsKey.Aes128Length,
            ["sizeof(struct tls12_crypto_info_chacha20_poly1305)"] = KernelTlsKey.ChaCha20Length,
            ["TLS_CIPHER_AES_GCM_128"] = KernelTlsKey.Aes128Gcm,
            ["TLS_CIPHER_AES_GCM_256"] = KernelTlsKey.Aes256Gcm,
            ["TLS_CIPHER_AES_CCM_128"] = KernelTlsKey.Aes128Ccm,
            ["TLS_CIPHER_CHACHA20_POLY1305"] = KernelTlsKey.ChaCha20,
            ["IPPROTO_IPV6"] = Sockets.Ipv6Level,
            ["IPV6_V6ONLY"] = Sockets.Ipv6Only,
            ["SHUT_RD"] = (int)ShutdownSide.Receive,
            ["SHUT_WR"] = (int)ShutdownSide.Send,
            ["SHUT_RDWR"] = (int)ShutdownSide.Both,
            ["MSG_NOSIGNAL"] = SocketIo.NoSignal,
            ["AF_UNSPEC"] = SockAddr.Unspecified,
            ["AF_UNIX"] = SockAddr.Unix,
            ["AF_INET"] = SockAddr.InterNetwork,
            ["AF_INET6"] = SockAddr.InterNetworkV6,
            ["sizeof(struct sockaddr_storage)"] = SockAddr.Size,
        };
        unsafe
        {
            ours["sizeof(struct msghdr)"] = sizeof(LibC.MessageHeader);
            ours["sizeof(struct iovec)"] = sizeof(LibC.IoVector);
            ours["sizeof(struct pollfd)"] = sizeof(LibC.PollEntry);
            ours["sizeof(struct linger)"] = sizeof(LibC.LingerOption);
        }
        foreach (Errno errno in Enum.GetValues<Errno>())
        {
            if (errno != Errno.None)
            {
                ours[errno.ToString()] = (int)errno;
            }
        }
        return ours;
    }

    private static string Program(IEnumerable<string> names)
    {
        StringBuilder program = new(Includes);
        program.AppendLine("int main(void) {");
        foreach (string name in names)
        {
            program.AppendLine(CultureInfo.InvariantCulture, $"printf(\"%s=%lld\\n\", \"{name}\", (long long)({name}));");
        }
        program.AppendLine("return 0; }");
        return program.ToString();
    }

    internal static bool TryCompileAndRun(string program, out string output)
    {
        output = "";
        DirectoryInfo folder = Directory.CreateTempSubdirectory("aeronet-constants-");
        try
        {
            string source = Path.Combine(folder.FullName, "constants.c");
            string binary = Path.Combine(folder.FullName, "constants");
            File.WriteAllText(source, program);
            try
            {
                Run("gcc", ["-o", binary, source]);
            }
            catch (System.ComponentModel.Win32Exception)
            {
                Console.WriteLine("SKIPPED: gcc is not installed, the constants were not compared with the C headers.");
                return false;
            }
            output = Run(binary, []);
            return true;
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private static string Run(string file, string[] arguments)
    {
        ProcessStartInfo start = new(file, arguments) { RedirectStandardOutput = true, RedirectStandardError = true };
        using Process process = Process.Start(start)!;
        string output = process.StandardOutput.ReadToEnd();
        string errors = process.StandardError.ReadToEnd();
        process.WaitForExit();
        Assert.True(process.ExitCode == 0, errors);
        return output;
    }
}
