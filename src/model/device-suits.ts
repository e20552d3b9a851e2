/** Whether weights suit a kind of device, in words for people. */
export interface DeviceSuits {
  readonly device: 'cpu' | 'gpu' | 'npu';
  readonly suits: boolean;
  /** Why not, a phrase each. */
  readonly reasons: readonly string[];
  /** The flags of `aipc export openvino` that would have to change. */
  readonly needs: readonly string[];
  /** What to know although it suits, a sentence each. */
  readonly notes: readonly string[];
}
