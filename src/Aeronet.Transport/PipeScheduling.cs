namespace Aeronet.Transport;

/// <summary>Where code goes on that waited for bytes of a connection, or for room to send.</summary>
public enum PipeScheduling
{
    /// <summary>On the thread of the connection's loop: no thread hop per read. A handler that blocks delays the connections of its loop until the loop has moved to another thread.</summary>
    Inline,

    /// <summary>On the thread pool, as with Kestrel's own transport.</summary>
    ThreadPool,
}
