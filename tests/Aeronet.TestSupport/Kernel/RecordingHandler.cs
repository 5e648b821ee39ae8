using System;
using System.Collections.Generic;
using System.Text;
using Aeronet.Transport.Connections;

namespace Aeronet.TestSupport.Kernel;

/// <summary>A protocol that writes down what it is told and does what the test says.</summary>
internal sealed class RecordingHandler : IConnectionHandler
{
    private readonly StringBuilder _received = new();

    public RecordingHandler(TransportConnection connection) => Connection = connection;

    public TransportConnection Connection { get; }

    /// <summary>Names of the calls so far, in order.</summary>
    public List<string> Calls { get; } = [];

    public string Received => _received.ToString();

    public bool HasSeenEndOfStream { get; private set; }

    public IoError Error { get; private set; }

    /// <summary>Size of the receive buffer.</summary>
    public int BufferSize { get; set; } = 4096;

    /// <summary>Receives per call before it asks to be called again; fairness.</summary>
    public int ReceivesMax { get; set; } = int.MaxValue;

    /// <summary>Receives on OnReadable. Off: a protocol that is busy and reads later.</summary>
    public bool Reads { get; set; } = true;

    public Action<RecordingHandler>? WhenReadable { get; set; }

    public Action<RecordingHandler>? WhenWritable { get; set; }

    public Action<RecordingHandler>? WhenReset { get; set; } = static handler => handler.Connection.Close();

    public Action<RecordingHandler>? WhenDeadline { get; set; }

    public Action<RecordingHandler>? WhenPosted { get; set; }

    public Action<RecordingHandler>? WhenDrained { get; set; }

    public Action<RecordingHandler>? WhenAborted { get; set; } = static handler =>
    {
        handler.Connection.Abort();
        handler.Connection.Close();
    };

    public Action<RecordingHandler>? WhenClosed { get; set; }

    public int CountOf(string call) => Calls.FindAll(made => made == call).Count;

    public void OnReadable(bool peerClosed)
    {
        Calls.Add(peerClosed ? "ReadablePeerClosed" : "Readable");
        if (Reads)
        {
            Receive(peerClosed);
        }
        WhenReadable?.Invoke(this);
    }

    public void OnWritable()
    {
        Calls.Add("Writable");
        WhenWritable?.Invoke(this);
    }

    public void OnReset()
    {
        Calls.Add("Reset");
        WhenReset?.Invoke(this);
    }

    public void OnDeadline(long nowMs)
    {
        Calls.Add("Deadline");
        WhenDeadline?.Invoke(this);
    }

    public void OnPosted()
    {
        Calls.Add("Posted");
        WhenPosted?.Invoke(this);
    }

    public void OnDrain()
    {
        Calls.Add("Drain");
        WhenDrained?.Invoke(this);
    }

    public void OnAbort()
    {
        Calls.Add("Abort");
        WhenAborted?.Invoke(this);
    }

    public void OnClosed()
    {
        Calls.Add("Closed");
        WhenClosed?.Invoke(this);
    }

    /// <summary>Receives as a protocol does: until a short read, end of stream, an error or its own limit.</summary>
    public void Receive(bool peerClosed)
    {
        byte[] buffer = new byte[BufferSize];
        for (int i = 0; ; i++)
        {
            if (i == ReceivesMax)
            {
                Connection.RequeueReadable();
                return;
            }
            IoResult result = Connection.Receive(buffer);
            if (result.IsWouldBlock)
            {
                return;
            }
            if (result.IsFailed)
            {
                Error = result.Error;
                return;
            }
            if (result.IsEndOfStream)
            {
                HasSeenEndOfStream = true;
                return;
            }
            _received.Append(Encoding.Latin1.GetString(buffer, 0, result.Bytes));
            if (result.Bytes < buffer.Length && !peerClosed)
            {
                return;
            }
        }
    }
}

/// <summary>Gives each connection a <see cref="RecordingHandler"/>.</summary>
internal sealed class RecordingAcceptor : IConnectionAcceptor
{
    /// <summary>The handlers so far, in the order of acceptance.</summary>
    public List<RecordingHandler> Handlers { get; } = [];

    /// <summary>Called for each new handler before it runs.</summary>
    public Action<RecordingHandler>? Prepare { get; set; }

    /// <summary>Answers instead; null refuses the connection.</summary>
    public Func<TransportConnection, IConnectionHandler?>? Instead { get; set; }

    public IConnectionHandler? Accept(TransportConnection connection)
    {
        if (Instead is not null)
        {
            return Instead(connection);
        }
        RecordingHandler handler = new(connection);
        Prepare?.Invoke(handler);
        lock (Handlers)
        {
            Handlers.Add(handler);
        }
        return handler;
    }
}
