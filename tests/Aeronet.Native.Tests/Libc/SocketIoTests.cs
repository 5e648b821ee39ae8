using System;
using System.Collections.Generic;
using System.IO;
using System.Text;
using Aeronet.Native.Libc;
using Microsoft.Win32.SafeHandles;
using Xunit;
using static Aeronet.Native.Tests.Libc.TcpPair;

namespace Aeronet.Native.Tests.Libc;

public sealed class SocketIoTests
{
    [Fact]
    public void Bytes_sent_arrive()
    {
        using TcpPair pair = new();
        Assert.Equal(5, Ok(SocketIo.Send(pair.Client, "hello"u8)));
        WaitFor(pair.Server, EpollEvents.In);
        byte[] buffer = new byte[16];
        Assert.Equal(5, Ok(SocketIo.Receive(pair.Server, buffer)));
        Assert.Equal("hello", Encoding.ASCII.GetString(buffer, 0, 5));
    }

    [Fact]
    public void Nothing_to_receive_is_EAGAIN()
    {
        using TcpPair pair = new();
        Assert.Equal(Errno.EAGAIN, SocketIo.Receive(pair.Server, new byte[16]).Errno);
    }

    [Fact]
    public void End_of_stream_is_zero()
    {
        using TcpPair pair = new();
        Ok(Sockets.Shutdown(pair.Client, ShutdownSide.Send));
        EpollEvents events = WaitFor(pair.Server, EpollEvents.In | EpollEvents.ReadHangUp);
        Assert.True(events.HasFlag(EpollEvents.ReadHangUp));
        Assert.Equal(0, Ok(SocketIo.Receive(pair.Server, new byte[16])));
    }

    [Fact]
    public void A_gathered_send_keeps_the_order_and_looks_at_64_segments()
    {
        using TcpPair pair = new();
        List<ReadOnlyMemory<byte>> segments = [];
        StringBuilder expected = new();
        for (int i = 0; i < 70; i++)
        {
            string text = $"[{i}]";
            segments.Add(Encoding.ASCII.GetBytes(text));
            if (i < SocketIo.SegmentsMax)
            {
                expected.Append(text);
            }
        }
        Assert.Equal(expected.Length, Ok(SocketIo.Send(pair.Client, segments.ToArray())));
        WaitFor(pair.Server, EpollEvents.In);
        byte[] buffer = new byte[1024];
        int received = Ok(SocketIo.Receive(pair.Server, buffer));
        Assert.Equal(expected.ToString(), Encoding.ASCII.GetString(buffer, 0, received));
    }

    [Fact]
    [Trait("Feature", "B73b")]
    public void A_file_is_sent_from_an_offset_to_its_end()
    {
        using TempFile file = new("0123456789");
        using TcpPair pair = new();
        Assert.Equal(4, Ok(SocketIo.SendFile(pair.Client, file.Descriptor, 3, 4)));
        Assert.Equal(2, Ok(SocketIo.SendFile(pair.Client, file.Descriptor, 8, 100)));
        Assert.Equal(0, Ok(SocketIo.SendFile(pair.Client, file.Descriptor, 10, 100)));
        WaitFor(pair.Server, EpollEvents.In);
        byte[] buffer = new byte[16];
        int received = Ok(SocketIo.Receive(pair.Server, buffer));
        Assert.Equal("345689", Encoding.ASCII.GetString(buffer, 0, received));
    }

    [Fact]
    [Trait("Feature", "B73b")]
    public void A_file_sent_to_a_full_socket_is_EAGAIN_and_to_a_closed_one_an_error_and_no_signal()
    {
        using TempFile file = new(new string('x', 1 << 20));
        using TcpPair pair = new();
        SysResult result = SysResult.Ok(0);
        for (int i = 0; i < 1000 && result.IsOk; i++)
        {
            result = SocketIo.SendFile(pair.Client, file.Descriptor, 0, 1 << 20);
        }
        Assert.Equal(Errno.EAGAIN, result.Errno);
        Ok(Sockets.Shutdown(pair.Client, ShutdownSide.Send));
        Assert.Equal(Errno.EPIPE, SocketIo.SendFile(pair.Client, file.Descriptor, 0, 1).Errno);
    }

    [Fact]
    public void A_full_socket_is_EAGAIN_after_a_partial_send()
    {
        using TcpPair pair = new();
        byte[] chunk = new byte[1 << 20];
        SysResult result = SysResult.Ok(0);
        for (int i = 0; i < 1000 && result.IsOk; i++)
        {
            result = SocketIo.Send(pair.Client, chunk);
        }
        Assert.Equal(Errno.EAGAIN, result.Errno);
    }

    [Fact]
    public void Sending_to_a_closed_peer_is_an_error_and_no_signal()
    {
        using TcpPair pair = new();
        Ok(Sockets.Shutdown(pair.Client, ShutdownSide.Send));
        // SIGPIPE would end the test process.
        Assert.Equal(Errno.EPIPE, SocketIo.Send(pair.Client, "x"u8).Errno);
        Assert.Equal(Errno.EPIPE, SocketIo.Send(pair.Client, new ReadOnlyMemory<byte>[] { new byte[1] }).Errno);
    }

    [Fact]
    [Trait("Defect", "LOOP-15")]
    public void The_error_number_survives_as_a_value_while_other_calls_fail()
    {
        SysResult first = SocketIo.Receive(-1, new byte[1]);
        SysResult second = SocketFiles.Unlink("/nonexistent/aeronet");
        Assert.Equal(Errno.EBADF, first.Errno);
        Assert.Equal(Errno.ENOENT, second.Errno);
        Assert.False(first.IsOk);
    }

    private sealed class TempFile : IDisposable
    {
        private readonly string _path = Path.Combine(Path.GetTempPath(), Path.GetRandomFileName());
        private readonly SafeFileHandle _file;

        public TempFile(string content)
        {
            File.WriteAllText(_path, content);
            _file = File.OpenHandle(_path);
        }

        public int Descriptor => (int)_file.DangerousGetHandle();

        public void Dispose()
        {
            _file.Dispose();
            File.Delete(_path);
        }
    }
}
