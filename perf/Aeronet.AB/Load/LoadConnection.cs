using System;

namespace Aeronet.AB.Load;

/// <summary>One connection of the load client: what it still has to send and what it waits for.</summary>
internal sealed class LoadConnection(LoadGroup group, byte[] output)
{
    public LoadGroup Group { get; } = group;

    /// <summary>The group's requests, as many as are pipelined, on the pinned heap.</summary>
    public byte[] Output { get; } = output;

    public ResponseReader Responses { get; } = new();

    public int Socket { get; set; } = -1;

    /// <summary>The TLS session; 0: none.</summary>
    public nint Ssl { get; set; }

    public bool IsOpen { get; set; } // false while connecting

    public int OutputAt { get; set; }

    public int OutputLeft { get; set; }

    /// <summary>Requests sent, or about to be, whose responses have not ended.</summary>
    public int Awaited { get; set; }

    /// <summary>Responses on this socket so far.</summary>
    public int Done { get; set; }

    /// <summary>When the awaited requests were sent or, at a rate, due.</summary>
    public long StartedAt { get; set; }

    // At a rate only: requests due but not sent yet, because the one before has no answer.
    public long Due { get; set; }

    public long NextDueAt { get; set; }

    public double DueApart { get; set; }

    public void Restart(int socket)
    {
        Socket = socket;
        IsOpen = false;
        OutputLeft = 0;
        Awaited = 0;
        Done = 0;
        Responses.Reset();
    }
}
