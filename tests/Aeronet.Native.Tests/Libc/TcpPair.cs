using System;
using System.Net;
using Aeronet.Native.Libc;
using Xunit;

namespace Aeronet.Native.Tests.Libc;

/// <summary>Two ends of one loopback connection, made with our own wrappers.</summary>
internal sealed class TcpPair : IDisposable
{
    private int _listener;

    public TcpPair(bool noDelay = false)
    {
        _listener = Ok(Sockets.CreateStream(SockAddr.InterNetwork));
        Ok(Sockets.SetNoDelay(_listener, noDelay));
        Ok(Sockets.Bind(_listener, SockAddr.From(new IPEndPoint(IPAddress.Loopback, 0))));
        Ok(Sockets.Listen(_listener, 8));
        Ok(Sockets.GetLocalName(_listener, out SockAddr bound));
        Client = Ok(Sockets.CreateStream(SockAddr.InterNetwork));
        SysResult connecting = Sockets.Connect(Client, bound);
        Assert.True(connecting.IsOk || connecting.Errno == Errno.EINPROGRESS);
        WaitFor(_listener, EpollEvents.In);
        Server = Ok(Sockets.Accept(_listener, out SockAddr peer));
        Peer = peer;
    }

    public int Listener => _listener;

    public int Client { get; }

    public int Server { get; private set; }

    public SockAddr Peer { get; }

    public static int Ok(SysResult result)
    {
        Assert.True(result.IsOk, result.ToString());
        return result.Value;
    }

    /// <summary>Waits for readiness; fails the test after ten seconds.</summary>
    public static EpollEvents WaitFor(int fd, EpollEvents events)
    {
        int epoll = Ok(Epoll.Create());
        try
        {
            Ok(Epoll.Control(epoll, EpollOperation.Add, fd, events, 7));
            EpollEventBuffer buffer = new(1);
            int count = 0;
            for (int attempt = 0; attempt < 10 && count == 0; attempt++)
            {
                count = Ok(Epoll.Wait(epoll, buffer, timeoutMs: 1000));
            }
            Assert.Equal(1, count);
            Assert.Equal(7ul, buffer.Data(0));
            return buffer.Events(0);
        }
        finally
        {
            _ = Descriptors.Close(epoll);
        }
    }

    public void CloseListener()
    {
        Descriptors.CloseIfOpen(_listener);
        _listener = -1;
    }

    public void CloseServer()
    {
        Descriptors.CloseIfOpen(Server);
        Server = -1;
    }

    public void Dispose()
    {
        CloseListener();
        _ = Descriptors.Close(Client);
        Descriptors.CloseIfOpen(Server);
    }
}
