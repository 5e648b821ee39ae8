using System;
using System.Collections.Generic;
using System.Linq;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Threading;
using System.Threading.Tasks;
using Aeronet.TestSupport.Hosting;
using Aeronet.TestSupport.Kernel;
using Aeronet.TestSupport.Tls;
using Aeronet.Transport.Connections;
using Aeronet.Transport.Tls;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Aeronet.Transport.Tests.Tls;

/// <summary>TLS over the simulated kernel: a scripted client, one loop that the test turns, a protocol that writes down what it hears.</summary>
internal sealed class SimulatedTls : IDisposable, ITlsObserver
{
    private readonly RecordingAcceptor _protocols = new();
    private int _fed; // of what the server has sent

    public SimulatedTls(TlsIdentity? identity = null, int version = 0x304, X509Certificate2? clientCertificate = null, ITlsAdmission? admission = null, Action<RecordingHandler>? prepare = null, string? applicationProtocol = null, IEnumerable<X509Certificate2>? clientChain = null, bool encryptsInKernel = false)
    {
        TlsSettings settings = new()
        {
            Default = identity ?? new TlsIdentity { Certificates = [TlsServer.Certificate()] },
            KernelTls = encryptsInKernel ? KernelTls.Auto : KernelTls.Off,
            FindKernelTls = static () => new KernelTlsSupport(obstacle: null),
            Services = new TlsServices { Observer = this, Admission = admission },
        };
        TlsAcceptor acceptor = new(new TlsEndpoint(settings), _protocols, NullLogger.Instance);
        _protocols.Prepare = prepare;
        Loop.Acceptor.Instead = acceptor.Accept;
        Client = new ScriptedTlsClient(version, clientCertificate, applicationProtocol, clientChain);
        Peer = Loop.Kernel.Connect(Loop.Listener);
    }

    public SimulatedLoop Loop { get; } = new();

    public ScriptedTlsClient Client { get; }

    public SimulatedPeer Peer { get; }

    /// <summary>The protocol above TLS.</summary>
    public RecordingHandler Handler => _protocols.Handlers[^1];

    public List<TlsFailure> Outcomes { get; } = [];

    /// <summary>What the last handshake that ended has said of the kernel.</summary>
    public bool? IsKernelTls { get; private set; }

    public Action? WhenStarted { get; set; }

    public void OnHandshakeStarted(TransportConnection connection) => WhenStarted?.Invoke();

    public void OnHandshakeEnded(in TlsHandshakeEvent handshake)
    {
        Outcomes.Add(handshake.Failure);
        IsKernelTls = handshake.IsKernelTls;
    }

    /// <summary>Both sides send until neither has anything to say; the client's bytes in pieces of at most so many.</summary>
    public void ShakeHands(int pieceMax = int.MaxValue)
    {
        bool isOver = false;
        for (int i = 0; i < 20 && !(isOver && Outcomes.Count > 0); i++)
        {
            isOver = Client.Handshake();
            Send(Client.Take(), pieceMax);
            Loop.Turn(2);
            Receive();
        }
    }

    /// <summary>Waits on this thread: it is the loop's.</summary>
    public static T Wait<T>(Task<T> task)
    {
        Assert.True(SpinWait.SpinUntil(() => task.IsCompleted, Guard.Time));
        return task.GetAwaiter().GetResult();
    }

    /// <summary>Sends records of the client, a turn of the loop after each piece.</summary>
    public void Send(byte[] records, int pieceMax = int.MaxValue)
    {
        foreach (byte[] piece in records.Chunk(pieceMax))
        {
            Peer.Send(piece);
            Loop.Turn();
        }
    }

    /// <summary>The protocol sends, while the peer makes room for so many bytes at a time.</summary>
    public void Answer(string text, int room = int.MaxValue)
    {
        ReadOnlyMemory<byte> left = Encoding.Latin1.GetBytes(text);
        Handler.WhenWritable = _ => Go();
        Go();
        for (int i = 0; i < 100_000 && !left.IsEmpty; i++)
        {
            Peer.SetSpace(room);
            Loop.Turn();
        }

        Assert.True(left.IsEmpty);
        Peer.SetSpace(int.MaxValue);
        Loop.Turn(2);

        void Go()
        {
            while (!left.IsEmpty)
            {
                IoResult sent = Handler.Connection.Send(left.Span);
                if (sent.IsWouldBlock)
                {
                    Handler.Connection.NotifyWhenWritable();
                    return;
                }

                Assert.False(sent.IsFailed);
                left = left[sent.Bytes..];
            }
        }
    }

    /// <summary>The client gets what the server has sent.</summary>
    public void Receive()
    {
        Client.Feed(Peer.ReceivedBytes.Skip(_fed).ToArray());
        _fed = Peer.ReceivedCount;
    }

    public void Dispose()
    {
        Client.Dispose();
        Loop.Dispose(); // fails if anything is left
    }
}
